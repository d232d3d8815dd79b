"""A VM as the operator hands it to a host: assigned at epoch 1, and resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api import VirtualMachine
from quantix_api.compute import compute_of
from quantix_lab.fake_status_api import Manifest


def assigned_vm(
    name: str, uid: str, disks: Mapping[str, Manifest], host: str, spec: Mapping[str, Any]
) -> Manifest:
    """With a small machine where `spec` says nothing; `disks` are Volumes by the disk's name."""
    wanted = {"powerState": "Running", "cpu": {"cores": 1}, "memory": {"size": "128Mi"}, **spec}
    wanted["disks"] = [{"name": disk, "volume": volume["metadata"]["name"]} for disk, volume in disks.items()]
    resolved = {
        "uuid": uid,
        "machineType": "pc-q35-7.2",
        "cpuModel": "qemu64",
        "firmware": "BIOS",
        "cores": wanted["cpu"]["cores"],
        "maxCores": wanted["cpu"]["cores"],
        "memory": wanted["memory"]["size"],
        "devices": [{"name": disk, "port": port} for port, disk in enumerate(disks, 1)],
        "disks": [
            {"name": disk, "volume": volume["metadata"]["name"], "volumeUID": volume["metadata"]["uid"]}
            for disk, volume in disks.items()
        ],
    }
    manifest = {
        "metadata": {"name": name, "namespace": "default", "uid": uid, "generation": 1},
        "spec": wanted,
        "status": {"assignment": {"host": host, "epoch": 1}, "resolved": resolved, "nics": []},
    }
    resolved["granted"] = granted_as_asked(VirtualMachine.parse(manifest))
    return manifest


def granted_as_asked(vm: VirtualMachine) -> dict[str, Any]:
    """`status.resolved.granted` of a VM that may have to itself all that it asks for."""
    compute = compute_of(vm)
    devices = [{"name": device.name, "class": device.class_} for device in vm.spec.host_devices]
    granted = {"dedicated": compute.dedicated, "numa": compute.numa, "hostDevices": devices}
    return granted | ({"hugepages": compute.hugepages} if compute.hugepages else {})
