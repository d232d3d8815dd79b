"""Hosts, a VM and its migrations in a fake API, the real controller, and hosts that say what a test wants."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

from quantix_api.conditions import condition_of
from quantix_api.resources import (
    HOSTS,
    NAMESPACES,
    QUANTIX_RESOURCES,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.errors import AlreadyExists, Conflict, NotFound
from quantix_lab.clocks import HastyClock
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.host.drains import BlockedHosts, Drains
from quantix_operator.maintenance.controller import MaintenanceController
from quantix_operator.metrics import Metrics
from quantix_operator.migration.controller import KEY, MigrationController
from quantix_operator.objects import Objects

Manifest = dict[str, Any]
FINALIZER = "quantix.io/cleanup"
UNHEARD = {
    "type": "Ready",
    "status": "Unknown",
    "reason": "Unreachable",
    "lastTransitionTime": "2026-11-30T12:00:00Z",
}


class KilledError(BaseException):
    """The leader ended: no code of its own goes on."""


class Api(FakeStatusApi):
    """Checks versions as the server does, and ends a leader after `lives` writes. `refuses`: what it takes no
    status of, by UID, and with which error; `takes_no`: the same of new
    objects, by kind, and `takes_none_of` of new migrations, by VM; `turned_away`: how many were not taken.
    """

    lives = 1_000_000
    late: list[Manifest]

    def __init__(self) -> None:
        super().__init__()
        self.refuses: dict[str, Exception] = {}
        self.takes_no: dict[str, Exception] = {}
        self.takes_none_of: dict[str, Exception] = {}
        self.turned_away = 0

    def _spend(self) -> None:
        if self.lives == 0:
            raise KilledError
        self.lives -= 1

    async def apply(self, resource: Resource, obj: Manifest, **kwargs: Any) -> Manifest:
        known = self.objects.get(obj["metadata"]["uid"])
        if known is None:
            raise NotFound("gone")
        asked = obj["metadata"].get("resourceVersion")
        if asked not in (None, known["metadata"]["resourceVersion"]):
            raise Conflict("changed")
        if known["metadata"]["uid"] in self.refuses:
            raise self.refuses[known["metadata"]["uid"]]
        self._spend()
        self._take_over(known, obj["status"], kwargs["manager"])
        return await super().apply(resource, obj, **kwargs)

    def _take_over(self, known: Manifest, status: Manifest, manager: str) -> None:
        """What a manager says otherwise than another is that one's no more (server-side apply by force)."""
        before = known.get("status") or {}
        words = {name: value for name, value in status.items() if isinstance(value, str)}
        changed = {name for name, value in words.items() if before.get(name) != value}
        for entry in known["metadata"].get("managedFields") or []:
            if entry["manager"] != manager:
                for name in changed:
                    entry["fieldsV1"]["f:status"].pop(f"f:{name}", None)

    async def patch(
        self, resource: Resource, name: str, patch: Manifest, namespace: str | None, **_: Any
    ) -> Manifest:
        self._spend()
        known = await self.get(resource, name, namespace)
        if "spec" in patch:
            return self.put({**known, "spec": {**known["spec"], **patch["spec"]}})
        known["metadata"]["finalizers"] = patch["metadata"]["finalizers"]
        if known["metadata"].get("deletionTimestamp") and not known["metadata"]["finalizers"]:
            del self.objects[known["metadata"]["uid"]]
            return known
        return self.put(known)

    async def create(self, resource: Resource, obj: Manifest) -> Manifest:
        self._spend()
        refusal = self.takes_no.get(resource.kind) or self.takes_none_of.get(
            obj["spec"].get("virtualMachine", "")
        )
        if refusal is not None:
            self.turned_away += 1
            raise refusal
        if f"uid-{obj['metadata']['name']}" in self.objects:
            raise AlreadyExists("there")
        metadata = {**obj["metadata"], "uid": f"uid-{obj['metadata']['name']}", "generation": 1}
        metadata["creationTimestamp"] = "2026-11-01T10:00:00Z"
        about = {"apiVersion": resource.api_version, "kind": resource.kind, "status": {}}
        return self.put({**obj, **about, "metadata": metadata})

    async def delete(self, _resource: Resource, _name: str, _namespace: str | None, *, uid: str) -> None:
        self._spend()
        known = self.objects[uid]
        if known["metadata"].get("finalizers"):
            known["metadata"]["deletionTimestamp"] = "2026-11-01T12:00:00Z"
            self.put(known)
        else:
            del self.objects[uid]


class Events:
    """Keeps the reasons."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def record(self, _live: Manifest, reason: str, _text: str, **_: Any) -> None:
        self.reasons.append(reason)


class MovingWorld:
    """One namespace `a`; h1 to h3, each with 8 CPUs, 16 GiB and pool local."""

    def __init__(self, hosts: tuple[str, ...] = ("h1", "h2", "h3")) -> None:
        self.api = Api()
        self.events = Events()
        self.put(STORAGE_POOLS, "local", spec={"dir": {"path": "/p"}, "default": True}, namespace=None)
        for host in hosts:
            self.host(host)
        self.restart()

    def restart(self) -> None:
        """A new leader, which remembers nothing."""
        self.api.lives = 1_000_000
        self.clock = HastyClock()
        parts: Any = SimpleNamespace()
        api: Any = self.api
        events: Any = self.events
        self.cache = Cache((*QUANTIX_RESOURCES, NAMESPACES))
        self.context = Context(parts, api, self.cache, events, Metrics(), self.clock, parts, "uid")
        self.objects = Objects(self.cache)
        self.controller = MigrationController(self.context, self.objects)
        self.drains = Drains()
        self.maintenance = MaintenanceController(self.context, self.objects, self.drains)

    def put(
        self,
        resource: Resource,
        name: str,
        *,
        spec: Manifest,
        status: Manifest | None = None,
        namespace: str | None = "a",
        **metadata: Any,
    ) -> Manifest:
        about = {"name": name, "uid": f"uid-{name}", "generation": 1, **metadata}
        about |= {"namespace": namespace} if namespace else {}
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return self.api.put({**kind, "metadata": about, "spec": spec, "status": status or {}})

    def host(self, name: str, spec: Manifest | None = None, **status: Any) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
        said = {
            "cpus": 8,
            "memory": "16Gi",
            "versions": {"machineType": "pc-q35-7.2"},
            "pools": [{"name": "local", "state": "Reachable", "available": "90Gi"}],
            "conditions": [ready],
            **status,
        }
        self.put(HOSTS, name, spec=spec or {}, status=said, namespace=None)

    def policy(self, **migrations: int) -> None:
        self.put(SCHEDULING_POLICIES, "default", spec={"migrations": migrations}, namespace=None)

    def vm(self, name: str, host: str = "h1", memory: str = "1Gi", **spec: Any) -> Manifest:
        """One that runs, with a disk whose data is there."""
        volume = f"{name}-root"
        self.put(
            VOLUMES,
            volume,
            spec={"pool": "local", "size": "10Gi"},
            status={"host": host, "pool": "local", "data": "Present", "capacity": "10Gi"},
            labels={"quantix.io/virtual-machine-uid": f"uid-{name}"},
            annotations={"quantix.io/virtual-machine": name},
        )
        resolved = {"uuid": f"uid-{name}", "cores": 1, "memory": memory, "machineType": "pc-q35-7.2"}
        resolved |= {"cpuModel": "qemu64"}
        resolved |= {"disks": [{"name": "root", "volume": volume, "volumeUID": f"uid-{volume}"}]}
        status = {
            "phase": "Running",
            "assignment": {"epoch": 1, "host": host},
            "resolved": resolved,
            "runtime": {"observedEpoch": 1, "domain": "Present"},
        }
        asked = {
            "cpu": {"cores": 1},
            "memory": {"size": memory},
            "disks": [{"name": "root", "size": "10Gi"}],
            "powerState": "Running",
            **spec,
        }
        return self.put(VIRTUAL_MACHINES, name, spec=asked, status=status)

    def ask(self, name: str, vm: str = "web", at: str = "10:00:00", **spec: Any) -> Manifest:
        labels = spec.pop("labels", {})
        return self.put(
            VIRTUAL_MACHINE_MIGRATIONS,
            name,
            spec={"virtualMachine": vm, **spec},
            creationTimestamp=f"2026-11-01T{at}Z",
            finalizers=[FINALIZER],
            labels=labels,
        )

    def live(self, name: str) -> Manifest:
        """By its name, of whatever kind."""
        return copy.deepcopy(self.api.objects[f"uid-{name}"])

    def says(self, name: str, **status: Any) -> None:
        """A host writes these members of an object's status."""
        live = self.live(name)
        self.api.put({**live, "status": {**(live.get("status") or {}), **status}})

    def wants(self, name: str, **spec: Any) -> None:
        """A user changes spec."""
        live = self.live(name)
        self.api.put({**live, "spec": {**live["spec"], **spec}})

    def goes(self, name: str) -> None:
        """A user deletes it."""
        live = self.live(name)
        live["metadata"]["deletionTimestamp"] = "2026-11-01T11:00:00Z"
        self.api.put(live)

    async def look(self, times: int = 3) -> None:
        """Passes, with the news of the API."""
        for _ in range(times):
            self.learn()
            await self.controller.reconcile(KEY)

    async def drain(self) -> None:
        """Passes over hosts in maintenance, and over migrations."""
        for _ in range(2):
            self.learn()
            await self.maintenance.reconcile("maintenance")
            await self.look(1)

    def stays(self) -> BlockedHosts:
        """What was found to stay on hosts in maintenance."""
        assert self.drains.found is not None, "nobody looked"
        return self.drains.found

    def asked(self) -> dict[str, Manifest]:
        """The migrations that there are, by their VM."""
        found = [item for item in self.api.objects.values() if item["kind"] == "VirtualMachineMigration"]
        return {item["spec"]["virtualMachine"]: item for item in found}

    def learn(self) -> None:
        """What watches tell."""
        by_kind = {resource.kind: resource for resource in QUANTIX_RESOURCES}
        for resource in QUANTIX_RESOURCES:
            for known in self.cache.list(resource):
                if known["metadata"]["uid"] not in self.api.objects:
                    self.cache.remove(resource, known)
        for item in list(self.api.objects.values()):
            self.cache.put(by_kind[item["kind"]], copy.deepcopy(item))

    def told(self, name: str) -> tuple[str, str, str]:
        """Phase, reason of Ready, and its message."""
        live = self.live(name)
        ready = condition_of(live)
        return live["status"].get("phase", ""), ready.get("reason", ""), ready.get("message", "")

    def moving(self, vm: str = "web") -> Manifest | None:
        found: Manifest | None = self.live(vm)["status"].get("migration")
        return found

    def assignment(self, vm: str = "web") -> Manifest:
        found: Manifest = self.live(vm)["status"]["assignment"]
        return found
