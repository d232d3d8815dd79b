"""A first installation as objects: one host, the two networks and the router of `qx up`, a guest."""

from __future__ import annotations

from typing import Any

from quantix_api.resources import (
    FLOATING_IPS,
    HOSTS,
    NAMESPACES,
    NETWORKS,
    ROUTERS,
    SECURITY_GROUPS,
    VIRTUAL_MACHINES,
)

from .world import World


def installation(world: World) -> None:
    """What stands after `qx up`."""
    host(world, "h1")
    world.add(NAMESPACES, "default", {})
    world.add(NETWORKS, "default", {"subnets": [{"cidr": "10.77.0.0/24"}], "default": True})
    world.add(
        NETWORKS,
        "outside",
        {"physical": {"name": "qx-local"}, "subnets": [{"cidr": "10.78.0.0/24"}], "ipv6": "Disabled"},
    )
    world.add(ROUTERS, "default", {"networks": [{"name": "default"}], "external": {"network": "outside"}})


def host(world: World, name: str, mtu: int = 1500) -> None:
    """A host that has joined."""
    world.add(HOSTS, name, {}, status={"hostUID": f"machine-{name}", "network": {"underlayMTU": mtu}})


def web_group(world: World, namespace: str = "default") -> None:
    """A group that opens port 80 to anyone."""
    world.add(
        SECURITY_GROUPS,
        "web",
        {"ingress": [{"protocol": "TCP", "ports": [{"port": 80}]}]},
        namespace=namespace,
    )


def guest(world: World, name: str, host: str | None = None, namespace: str = "default", **nic: Any) -> str:
    """A VM with one NIC; returns its key."""
    status: dict[str, Any] = {}
    if host is not None:
        status["assignment"] = {"host": host, "epoch": 1}
    world.add(
        VIRTUAL_MACHINES,
        name,
        {
            "cpu": {"cores": 1},
            "memory": {"size": "128Mi"},
            "nics": [{"name": "eth0", "network": "shared/default", **nic}],
        },
        namespace=namespace,
        status=status,
    )
    return f"{namespace}/{name}"


def floating(world: World, name: str, namespace: str = "default", **spec: Any) -> str:
    """A floating IP in the network of the way out; returns its key."""
    world.add(FLOATING_IPS, name, {"network": "shared/outside", **spec}, namespace=namespace)
    return f"{namespace}/{name}"
