"""What a Network that is to go says of the VMs in it."""

from __future__ import annotations

from quantix_operator.tenancy import users_as_told


def test_vms_of_other_namespaces_are_counted_and_not_named() -> None:
    users = ["a/secret", "b/plans", "quantix-shared/own"]
    assert users_as_told(users, "quantix-shared", 16) == "quantix-shared/own, 2 VMs of other namespaces"
    assert users_as_told(users[:1], "quantix-shared", 16) == "1 VM of other namespaces"
    assert users_as_told(["shared/a"], "share", 16) == "1 VM of other namespaces"


def test_own_vms_are_named_up_to_a_number() -> None:
    assert users_as_told(["a/1", "a/2", "a/3"], "a", 2) == "a/1, a/2"
    assert users_as_told([], "a", 2) == ""
