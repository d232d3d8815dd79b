"""VMs, and a pool for them, as end-to-end tests write and read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Manifest = dict[str, Any]

READY = "quantix-guest ready"
"""How the guest image begins the line that it prints, and answers, once it has an address."""


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


def dir_pool(name: str, path: Path) -> Manifest:
    """A pool that lies at `path` of each host."""
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "StoragePool",
        "metadata": {"name": name},
        "spec": {"dir": {"path": str(path)}},
    }


def grown(volume: Manifest, size: str) -> Manifest:
    """The Volume once spec asks for `size` and its pool has promised that: a newer answer of the API, so
    another object. `volume` stays as it is.
    """
    generation = volume["metadata"].get("generation", 1) + 1
    granted = {"type": "SizeGranted", "status": "True", "reason": "Granted", "observedGeneration": generation}
    return {
        **volume,
        "metadata": {**volume["metadata"], "generation": generation},
        "spec": {**volume["spec"], "size": size},
        "status": {**volume["status"], "conditions": [granted]},
    }
