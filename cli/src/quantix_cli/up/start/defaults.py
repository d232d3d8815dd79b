"""What a new installation starts with, declared as a user would: pool, types, a network with a way out.

`qx up` creates what is missing of it and never changes what is there. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantix_api import resources
from quantix_api.resources import LOCAL_PHYSICAL_NETWORK, NAMESPACE_SHARED, Resource

IMAGE = "tiny"


@dataclass(frozen=True)
class Default:
    """One object, as it is sent."""

    resource: Resource
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        namespace: str | None = self.manifest["metadata"].get("namespace")
        return namespace


def instance_types() -> list[Default]:
    """small, medium and large; small is what forms and qx offer first."""
    sizes = {"small": (2, "2Gi"), "medium": (4, "8Gi"), "large": (8, "32Gi")}
    return [
        _cluster(
            resources.INSTANCE_TYPES,
            name,
            {"cpu": {"cores": cores}, "memory": {"size": memory}, "default": name == "small"},
        )
        for name, (cores, memory) in sizes.items()
    ]


def basics(local_pool: Path) -> list[Default]:
    """Everything but the networks."""
    return [
        _cluster(resources.STORAGE_POOLS, "local", {"dir": {"path": str(local_pool)}, "default": True}),
        *instance_types(),
        _cluster(resources.HA_POLICIES, "default", {}),
        _cluster(resources.SCHEDULING_POLICIES, "default", {}),
        _shared(resources.IMAGES, IMAGE, {"upload": {}, "loginUser": "root"}),
    ]


def guest_network(cidr: str) -> Default:
    """The network that guests are on when nobody says otherwise."""
    return _shared(resources.NETWORKS, "default", {"subnets": [{"cidr": cidr}], "default": True})


def outside_network(cidr: str) -> Default:
    """The small network between the router and this machine, which every host has (`qx-local`)."""
    spec = {"physical": {"name": LOCAL_PHYSICAL_NETWORK}, "subnets": [{"cidr": cidr}], "ipv6": "Disabled"}
    return _shared(resources.NETWORKS, "outside", spec)


def router() -> Default:
    """The guests' way out."""
    spec = {"networks": [{"name": "default"}], "external": {"network": "outside"}}
    return _shared(resources.ROUTERS, "default", spec)


def _cluster(resource: Resource, name: str, spec: dict[str, Any]) -> Default:
    return Default(resource, {"metadata": {"name": name}, "spec": spec})


def _shared(resource: Resource, name: str, spec: dict[str, Any]) -> Default:
    return Default(resource, {"metadata": {"name": name, "namespace": NAMESPACE_SHARED}, "spec": spec})
