"""VMs as end-to-end tests write and read them."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]


def condition(obj: Manifest, type: str = "Ready") -> dict[str, Any]:
    """A condition of an object, {} when it has none of that type."""
    found = (obj.get("status") or {}).get("conditions") or []
    return next((dict(entry) for entry in found if entry["type"] == type), {})


def ipv4(vm: Manifest) -> str:
    """The first IPv4 address that the platform gave a VM."""
    return next(address for address in _addresses(vm) if ":" not in address)


def ipv6(vm: Manifest) -> str:
    """The first IPv6 address that the platform gave a VM."""
    return next(address for address in _addresses(vm) if ":" in address)


def _addresses(vm: Manifest) -> list[str]:
    return [str(address) for nic in vm["status"]["nics"] for address in nic["addresses"]]


def small_vm(name: str, **spec: Any) -> Manifest:
    """The smallest VM that boots the guest image; `spec` replaces members."""
    members = {
        "cpu": {"cores": 1},
        "memory": {"size": "128Mi"},
        "disks": [{"name": "root", "image": "shared/tiny", "reclaimPolicy": "Delete"}],
        "nics": [{"name": "eth0", "network": "shared/default"}],
        **spec,
    }
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {key: value for key, value in members.items() if value is not None},
    }
