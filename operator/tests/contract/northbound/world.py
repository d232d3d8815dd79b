"""The network's controllers around a real northbound database, with an API in memory.

The API is replaced at the client's boundary; everything behind it is the product's own.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

from quantix_api import VirtualMachine
from quantix_api.resources import (
    CONFIG_MAPS,
    FINALIZER,
    FLOATING_IPS,
    HOSTS,
    NAMESPACES,
    NETWORKS,
    ROUTERS,
    SECURITY_GROUPS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_api.times import render_time
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import NotFound
from quantix_client.reflector import key_of
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_operator.cache import Cache
from quantix_operator.clients.ovn_nb import Northbound
from quantix_operator.cluster.controller import KEY, ClusterController
from quantix_operator.cluster.figures import NetworkFigures
from quantix_operator.cluster.sweep import SWEEP_S, Sweep
from quantix_operator.floatingip.controller import FloatingIPController
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.metrics import Metrics
from quantix_operator.network.controller import NetworkController
from quantix_operator.network_context import NetworkContext
from quantix_operator.nics.feed import LedgerFeed
from quantix_operator.nics.ports import NicPorts
from quantix_operator.objects import Objects
from quantix_operator.router.controller import RouterController
from quantix_operator.securitygroup.controller import SecurityGroupController
from quantix_operator.virtualmachine.ports import NicsResult

from .connection import connected

SHARED = "quantix-shared"
_FIRST = datetime(2026, 11, 24, tzinfo=UTC)
_WATCHED = (NETWORKS, ROUTERS, FLOATING_IPS, SECURITY_GROUPS, VIRTUAL_MACHINES, HOSTS, NAMESPACES)


class MemoryApi(FakeStatusApi):
    """Status by apply, as its base; and objects created, patched and let go."""

    def __init__(self, cache: Cache) -> None:
        super().__init__()
        self._cache = cache
        self._created = 0
        self.config: dict[str, str] | None = None
        """Data of the ConfigMap `quantix-cluster`."""

    def add(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Store an object as if a user had made it; each is a second younger than the one before."""
        self._created += 1
        new = copy.deepcopy(manifest)
        metadata = new["metadata"]
        name = f"{resource.kind}/{metadata.get('namespace', '')}/{metadata['name']}"
        metadata.setdefault("uid", str(uuid5(NAMESPACE_URL, name)))
        metadata.setdefault("generation", 1)
        created = _FIRST + timedelta(seconds=self._created)
        metadata.setdefault("creationTimestamp", render_time(created))
        metadata.setdefault("finalizers", [FINALIZER])
        new.update(apiVersion=resource.api_version, kind=resource.kind)
        return self.keep(resource, new)

    def keep(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Store a new state of an object."""
        stored = self.put(manifest)
        self._cache.put(resource, copy.deepcopy(stored))
        return stored

    async def create(self, resource: Resource, obj: Manifest, **_: Any) -> Manifest:
        return self.add(resource, obj)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        if resource != CONFIG_MAPS or self.config is None:
            raise NotFound(f"{resource.plural} {name} is not there")
        return {"metadata": {"name": name, "namespace": namespace}, "data": self.config}

    async def patch(
        self, resource: Resource, name: str, patch: Manifest, namespace: str | None = None, **_: Any
    ) -> Manifest:
        key = f"{namespace}/{name}" if namespace else name
        live = self._cache.get(resource, key)
        assert live is not None
        stored = copy.deepcopy(self.objects[live["metadata"]["uid"]])
        stored["metadata"]["finalizers"] = patch["metadata"]["finalizers"]
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"]["finalizers"]:
            self._cache.remove(resource, live)
            return stored
        return self.keep(resource, stored)


class HandClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        self.now_s += delay_s


class World:
    """Objects, controllers, and the database that they write."""

    def __init__(self, northbound: Northbound) -> None:
        self.northbound = northbound
        self.cache = Cache(_WATCHED)
        self.api = MemoryApi(self.cache)
        self.objects = Objects(self.cache)
        self.clock = HandClock()
        self.restart()

    def restart(self) -> None:
        """Forget everything that an operator keeps in memory, as a new process would."""
        self.metrics = Metrics()
        api = cast("ApiClient", self.api)
        self.ledger = Ledger(self.objects.takes_in)
        self.context = NetworkContext(
            api,
            self.cache,
            self.objects,
            self.northbound,
            self.ledger,
            self.clock,
            ("9.9.9.9", "2620:fe::fe"),
        )
        feed = LedgerFeed(self.cache, self.objects, self.ledger, self.northbound.cluster_uid)
        self.ports = NicPorts(api, self.objects, self.northbound, self.ledger, feed)
        self.cluster = ClusterController(self.context, Sweep(self.context, NetworkFigures(self.metrics)))
        self.networks = NetworkController(self.context)
        self.routers = RouterController(self.context)
        self.floating_ips = FloatingIPController(self.context)
        self.groups = SecurityGroupController(self.context)

    def add(
        self, resource: Resource, name: str, spec: Manifest, *, namespace: str = SHARED, **more: Any
    ) -> Manifest:
        """Make an object."""
        metadata: Manifest = {"name": name}
        if resource.namespaced:
            metadata["namespace"] = namespace
        return self.api.add(resource, {"metadata": metadata, "spec": spec, **more})

    def change(self, resource: Resource, key: str, **parts: Any) -> None:
        """Replace whole parts (`spec`, `status`) of an object."""
        live = copy.deepcopy(self.live(resource, key))
        live.update(parts)
        if "spec" in parts:
            live["metadata"]["generation"] += 1
        self.api.keep(resource, live)

    def ask_deletion(self, resource: Resource, key: str) -> None:
        """What DELETE does to an object with a finalizer."""
        live = copy.deepcopy(self.live(resource, key))
        live["metadata"]["deletionTimestamp"] = render_time(_FIRST)
        self.api.keep(resource, live)

    def live(self, resource: Resource, key: str) -> Manifest:
        """The object, which must be there."""
        found = self.cache.get(resource, key)
        assert found is not None, f"there is no {resource.kind} {key}"
        return found

    def ready(self, resource: Resource, key: str) -> tuple[str, str]:
        """Reason and message of Ready."""
        conditions = self.live(resource, key).get("status", {}).get("conditions", [])
        return next((item["reason"], item["message"]) for item in conditions if item["type"] == "Ready")

    async def settle(self) -> None:
        """Let every controller look at everything, often enough for each to see what the others did."""
        for _ in range(2):
            await self.cluster.reconcile(KEY)
            for resource, controller in (
                (NETWORKS, self.networks),
                (ROUTERS, self.routers),
                (FLOATING_IPS, self.floating_ips),
                (SECURITY_GROUPS, self.groups),
            ):
                for item in self.cache.list(resource):
                    await controller.reconcile(key_of(item))
            self.clock.now_s += SWEEP_S

    async def ensure(self, key: str) -> NicsResult:
        """What the VM controller does: program the ports and write what came of it."""
        vm = self.objects.get(VirtualMachine, key)
        assert vm is not None
        result = await self.ports.ensure_ports(vm)
        nics = [nic.model_dump(mode="json", by_alias=True, exclude_none=True) for nic in result.nics]
        status = {**self.live(VIRTUAL_MACHINES, key).get("status", {}), "nics": nics}
        self.change(VIRTUAL_MACHINES, key, status=status)
        return result


@asynccontextmanager
async def world(remote: str) -> AsyncIterator[World]:
    """A world on the database at `remote`."""
    async with connected(remote) as client:
        yield World(client)
