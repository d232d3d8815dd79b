"""What a Network, a Router or a SecurityGroup that is to go says of those that use it."""

from __future__ import annotations

from quantix_api import FloatingIP, Router
from quantix_operator.router.controller import kept_by as router_kept_by
from quantix_operator.securitygroup.controller import kept_by as group_kept_by
from quantix_operator.tenancy import users_as_told


def test_vms_of_other_namespaces_are_counted_and_not_named() -> None:
    users = ["a/secret", "b/plans", "quantix-shared/own"]
    assert users_as_told(users, "quantix-shared") == "quantix-shared/own, and 2 VMs of other namespaces"
    assert users_as_told(users[:1], "quantix-shared") == "1 VM of other namespaces"
    assert users_as_told(["shared/a"], "share") == "1 VM of other namespaces"


def test_own_vms_are_named_up_to_a_number() -> None:
    assert users_as_told([f"a/{number}" for number in range(5)], "a") == "a/0, a/1, a/2 and 2 more"
    assert users_as_told([], "a") == ""


def test_a_group_counts_all_that_keep_it_and_waits_only_for_what_goes_by_itself() -> None:
    users = [f"VM web-{number}" for number in range(5)]
    kept = group_kept_by(users, users)
    assert (kept.reason, "VM web-0, VM web-1, VM web-2 and 2 more." in kept.message) == ("InUse", True)
    going = group_kept_by(users[:1], [])
    assert (going.reason, going.message.partition(" Try: ")[0]) == (
        "Deleting",
        "It is being deleted: it goes after VM web-0.",
    )


def floating(name: str, **metadata: str) -> FloatingIP:
    about = {"name": name, "namespace": "a", "uid": name, **metadata}
    return FloatingIP.parse({"metadata": about, "spec": {"network": "shared/outside"}})


def test_so_does_a_router_of_the_floating_ips_that_lead_through_it() -> None:
    router = Router.parse({"metadata": {"name": "r", "namespace": "a", "uid": "r"}, "spec": {}})
    going = floating("old", deletionTimestamp="2026-11-24T12:00:00Z")
    kept = router_kept_by([going, floating("front")], router)
    assert (kept.reason, "leads to a/front." in kept.message) == ("InUse", True)
    assert router_kept_by([going], router).reason == "Deleting"
