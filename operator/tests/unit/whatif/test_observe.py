"""What of the cached objects a what-if is played on, and what is answered by whom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api import Host
from quantix_api.host_plan import API_VERSION, HostPlan, Question
from quantix_api.resources import (
    HOSTS,
    LEASES,
    QUANTIX_RESOURCES,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.errors import NotFound
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.whatif.answer import Planner
from quantix_operator.whatif.model import Leaver, Played
from quantix_operator.whatif.observe import observe
from quantix_operator.whatif.play import play

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Manifest = dict[str, Any]


class Cluster:
    """h1 and h2, each with 8 CPUs, 16 GiB and pool local, of which 15 GiB are free."""

    version = 0

    def __init__(self) -> None:
        self.cache = Cache(QUANTIX_RESOURCES)
        self.objects = Objects(self.cache)
        self.put(STORAGE_POOLS, "local", {"dir": {"path": "/p"}, "default": True}, {}, None)
        for name in ("h1", "h2"):
            self.host(name)

    def put(
        self, resource: Resource, name: str, spec: Manifest, status: Manifest, namespace: str | None = "a"
    ) -> None:
        metadata = {"name": name, "uid": f"uid-{name}", "generation": 1}
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        metadata |= {"namespace": namespace} if namespace else {}
        self.cache.put(resource, {"metadata": metadata, "spec": spec, "status": status})

    def host(self, name: str, **status: Any) -> None:
        said = {
            "cpus": 8,
            "memory": "16Gi",
            "pools": [{"name": "local", "state": "Reachable", "available": "15Gi"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "Healthy"}],
            **status,
        }
        self.put(HOSTS, name, {}, said, None)

    def vm(self, name: str, told: Manifest | None = None, host: str = "h1", **spec: Any) -> None:
        """One that runs, with a disk of 10 GiB on its host."""
        volume = {"pool": "local", "host": host, "data": "Present", "capacity": "10Gi"}
        self.put(VOLUMES, f"{name}-root", {"pool": "local", "size": "10Gi"}, volume)
        disk = {"name": "root", "volume": f"{name}-root", "volumeUID": f"uid-{name}-root"}
        resolved = {"cores": 1, "memory": "1Gi", "cpuModel": "EPYC", "machineType": "pc-q35-8.0"}
        true = {name: {"status": "True", "reason": name} for name in ("Migratable", "Protected")}
        status = {
            "assignment": {"epoch": 1, "host": host},
            "resolved": {"uuid": f"uid-{name}", **resolved, "disks": [disk]},
            "runtime": {"observedEpoch": 1, "domain": "Present"},
            "conditions": [{"type": kind, **said} for kind, said in (true if told is None else told).items()],
        }
        asked = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}, "powerState": "Running", **spec}
        self.put(VIRTUAL_MACHINES, name, asked, status)

    def moves(self, name: str, source: str, target: str) -> None:
        """The VM of this name is on its way."""
        where = {"sourceHost": source, "targetHost": target}
        begun = {"startedAt": "2026-11-24T11:59:00Z", "virtualMachineUID": f"uid-{name}", **where}
        self.put(VIRTUAL_MACHINE_MIGRATIONS, f"{name}-1", {"virtualMachine": name}, begun)
        vm = self.cache.get(VIRTUAL_MACHINES, f"a/{name}")
        assert vm is not None
        named = {"uid": f"uid-{name}-1", "name": f"{name}-1", **where}
        self.put(VIRTUAL_MACHINES, name, vm["spec"], {**vm["status"], "migration": named})

    def seen(self, question: Question) -> Played:
        source = self.objects.get(Host, "h1")
        assert source is not None
        return observe(self.objects, question, source, NOW)

    def leaver(self, question: Question) -> Leaver:
        (found,) = self.seen(question).leavers
        return found


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_a_vm_leaves_with_its_data_and_its_room_elsewhere_is_kept(cluster: Cluster) -> None:
    cluster.vm("web")
    cluster.vm("other", host="h2")
    seen = cluster.seen("maintenance")
    assert [(item.key, item.kept_by, item.data) for item in seen.leavers] == [
        ("a/web", None, {"local": 10 << 30})
    ]
    assert [(placed.guest.name, placed.host) for placed in seen.placed] == [("other", "h2")]
    assert seen.pool_free["h2", "local"] == 15 << 30
    assert seen.at_once == 2


def test_nothing_leaves_a_host_that_is_silent(cluster: Cluster) -> None:
    for name, policy in (("web", "Migrate"), ("db", "Stop")):
        cluster.vm(name, migration={"onMaintenance": policy})
    unheard = {"type": "Ready", "status": "Unknown", "reason": "Unreachable"}
    cluster.host("h1", conditions=[unheard])
    plan = play("maintenance", cluster.seen("maintenance"))
    assert plan.moves == ()
    assert {(item.name, item.reason) for item in plan.misfits} == {
        ("web", "HostUnreachable"),
        ("db", "HostUnreachable"),
    }


def test_a_vm_on_its_way_takes_room_on_both_hosts_and_in_the_pool_that_its_data_goes_to(
    cluster: Cluster,
) -> None:
    cluster.host("h3")
    cluster.vm("web")
    cluster.vm("other", host="h3")
    cluster.moves("other", "h3", "h2")
    seen = cluster.seen("maintenance")
    assert sorted((placed.guest.name, placed.host) for placed in seen.placed) == [
        ("other", "h2"),
        ("other", "h3"),
    ]
    assert seen.pool_free["h2", "local"] == 5 << 30
    plan = play("maintenance", seen)
    assert [(move.name, move.to) for move in plan.moves] == [("web", "h3")], "h2 has no room for its data"


def test_a_pool_of_which_nobody_says_how_full_it_is_keeps_no_vm_away(cluster: Cluster) -> None:
    cluster.vm("web")
    cluster.host("h2", pools=[{"name": "local", "state": "Reachable"}])
    seen = cluster.seen("maintenance")
    assert ("h2", "local") not in seen.pool_free
    assert [move.to for move in play("maintenance", seen).moves] == ["h2"]


@pytest.mark.parametrize("spec", [{}, {"migration": {"onMaintenance": "Stop"}}])
def test_who_is_leaving_already_goes_where_it_is_bound_for(cluster: Cluster, spec: Manifest) -> None:
    cluster.host("h3")
    cluster.vm("web", **spec)
    cluster.moves("web", "h1", "h3")
    seen = cluster.seen("maintenance")
    assert [(placed.guest.name, placed.host) for placed in seen.placed] == [("web", "h3")]
    plan = play("maintenance", seen)
    assert [(move.name, move.action, move.to) for move in plan.moves] == [("web", "Migrate", "h3")]
    assert plan.misfits == ()


def test_a_move_ends_with_its_source_and_the_vm_starts_anywhere(cluster: Cluster) -> None:
    cluster.vm("web")
    cluster.moves("web", "h1", "h2")
    seen = cluster.seen("host-loss")
    assert (seen.placed, [item.key for item in seen.leavers]) == ((), ["a/web"])


def test_the_policy_says_how_many_move_at_once(cluster: Cluster) -> None:
    cluster.put(SCHEDULING_POLICIES, "default", {"migrations": {"perHost": 4, "perCluster": 3}}, {}, None)
    assert cluster.seen("maintenance").at_once == 3


@pytest.mark.parametrize(("question", "kind"), [("maintenance", "Migratable"), ("host-loss", "Protected")])
def test_what_a_vm_was_told_keeps_it(cluster: Cluster, question: Question, kind: str) -> None:
    cluster.vm("web", {kind: {"status": "False", "reason": "HostDevice", "message": "It has gpu of h1."}})
    kept = cluster.leaver(question).kept_by
    assert kept is not None
    assert (kept.reason, kept.message) == ("HostDevice", "It has gpu of h1.")


@pytest.mark.parametrize("question", ["maintenance", "host-loss"])
def test_a_vm_that_was_told_nothing_yet_is_starting(cluster: Cluster, question: Question) -> None:
    cluster.vm("web", {})
    kept = cluster.leaver(question).kept_by
    assert kept is not None
    assert kept.reason == "Starting"


def test_a_paused_vm_does_not_move(cluster: Cluster) -> None:
    cluster.vm("web", powerState="Paused")
    kept = cluster.leaver("maintenance").kept_by
    assert kept is not None
    assert kept.reason == "NotRunning"
    assert cluster.leaver("host-loss").kept_by is None


def test_what_keeps_a_vm_is_told_as_the_host_that_is_emptied_tells_it(cluster: Cluster) -> None:
    device = {"Migratable": {"status": "False", "reason": "HostDevice", "message": "It has gpu of h1."}}
    for spec, reason in (
        ({"powerState": "Paused"}, "NotRunning"),
        ({"powerState": "Paused", "migration": {"onMaintenance": "Block"}}, "PolicyBlock"),
        ({}, "HostDevice"),
    ):
        cluster.vm("web", device, **spec)
        kept = cluster.leaver("maintenance").kept_by
        assert kept is not None
        assert kept.reason == reason


def test_a_vm_that_is_to_be_off_is_no_matter_and_keeps_its_room(cluster: Cluster) -> None:
    cluster.vm("web", powerState="Stopped")
    seen = cluster.seen("maintenance")
    assert seen.leavers == ()
    assert [placed.guest.name for placed in seen.placed] == ["web"]


def test_a_vm_is_shut_down_where_it_says_so(cluster: Cluster) -> None:
    said = {"Migratable": {"status": "False", "reason": "HostDevice"}}
    cluster.vm("web", said, migration={"onMaintenance": "Stop"}, gracePeriodSeconds=90)
    found = cluster.leaver("maintenance")
    assert (found.stops, found.grace_s, found.kept_by) == (True, 90, None)
    assert [pin.host for pin in found.guest.pins] == ["h1"]


def test_a_vm_starts_after_others_of_its_namespace(cluster: Cluster) -> None:
    cluster.vm("web", ha={"after": ["db"], "afterTimeoutSeconds": 60})
    found = cluster.leaver("host-loss")
    assert (found.after, found.after_timeout_s) == (("a/db",), 60)


def test_a_guest_on_kvm_does_not_go_where_it_would_be_emulated(cluster: Cluster) -> None:
    cluster.vm("web")
    kvm = {"type": "KVMAvailable", "status": "True", "reason": "Works"}
    ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
    cluster.host("h1", conditions=[ready, kvm])
    cluster.host("h2", versions={"machineType": "pc-q35-7.2"})
    lacks = [(item.lack, item.what) for item in cluster.leaver("maintenance").refused_by["h2"]]
    assert lacks == [("CPUModel", "EPYC"), ("MachineType", "pc-q35-8.0")]


class Api:
    """Has a lease of a leader, or none."""

    def __init__(self, holder: str | None) -> None:
        self._holder = holder

    async def get(self, resource: Resource, _name: str, _namespace: str) -> Manifest:
        assert resource == LEASES
        if self._holder is None:
            raise NotFound("there is none")
        return {"spec": {"holderIdentity": self._holder}}


def planner(holder: str | None = None) -> Planner:
    api: Any = Api(holder)
    return Planner(api)


async def test_the_leader_answers_with_a_versioned_document(cluster: Cluster) -> None:
    cluster.vm("web")
    leading = planner()
    leading.lead(cluster.objects)
    reply = await leading.answer("maintenance", "h1")
    assert reply.status == 200
    assert reply.document is not None
    assert (reply.document["apiVersion"], reply.document["kind"]) == (API_VERSION, "HostPlan")
    plan = HostPlan.parse(reply.document)
    assert [(move.name, move.to) for move in plan.moves] == [("web", "h2")]
    gone = await leading.answer("maintenance", "h9")
    assert (gone.status, gone.sentence) == (404, "There is no host h9. Try: qx host list")


@pytest.mark.parametrize(
    ("holder", "said"),
    [
        ("box_two_17_ab12", "The operator on box_two leads, not this one. Try: the same on box_two"),
        (None, "No operator leads at the moment. Try: again in some seconds"),
        ("", "No operator leads at the moment. Try: again in some seconds"),
    ],
)
async def test_a_standby_says_who_leads(cluster: Cluster, holder: str | None, said: str) -> None:
    former = planner(holder)
    former.lead(cluster.objects)
    former.give_way()
    reply = await former.answer("host-loss", "h1")
    assert (reply.status, reply.document, reply.sentence) == (503, None, said)
