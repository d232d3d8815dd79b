"""Who uses an image, found from the objects that name it."""

from __future__ import annotations

from typing import Any

from quantix_cli.image_users import users_of

_IMAGE = {"metadata": {"name": "tiny", "namespace": "quantix-shared"}}


def obj(kind: str, key: str, spec: dict[str, Any], made_for: str = "") -> dict[str, Any]:
    namespace, _, name = key.partition("/")
    annotations = {"quantix.io/virtual-machine": made_for} if made_for else {}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": spec,
    }


def test_vms_name_it_by_disk_or_cdrom_and_volumes_of_no_vm_by_their_source() -> None:
    machines = [
        obj("VirtualMachine", "a/disk", {"disks": [{"name": "root", "image": "shared/tiny"}]}),
        obj(
            "VirtualMachine", "b/medium", {"cdroms": [{"name": "cd", "image": "shared/tiny"}, {"name": "e"}]}
        ),
        obj("VirtualMachine", "a/own", {"disks": [{"name": "root", "image": "tiny"}]}),
        obj("VirtualMachine", "quantix-shared/home", {"disks": [{"name": "root", "image": "tiny"}]}),
        obj("VirtualMachine", "a/blank", {}),
    ]
    volumes = [
        obj("Volume", "a/clone", {"source": {"image": "shared/tiny"}}),
        obj("Volume", "a/disk-root", {"source": {"image": "shared/tiny"}}, made_for="disk"),
        obj("Volume", "a/blank", {"size": "1Gi"}),
    ]
    assert users_of(_IMAGE, machines, volumes) == [
        "a/VirtualMachine/disk",
        "a/Volume/clone",
        "b/VirtualMachine/medium",
        "quantix-shared/VirtualMachine/home",
    ]
