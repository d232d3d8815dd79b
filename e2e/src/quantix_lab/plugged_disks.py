"""What tests of plugging ask for and look at: disks of a running VM."""

from __future__ import annotations

from quantix_api.resources import VOLUMES
from quantix_hostd.claims import Claim, VolumePlace
from quantix_lab.vm_world import VmHandle

PORT = "0b8f6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f"


def set_disks(vm: VmHandle, *names: str) -> None:
    """Spec names these disks, each on the volume of its name (root: web-1-root), and all is resolved."""
    volumes = {name: "web-1-root" if name == "root" else name for name in names}
    stores = vm.world.stores[VOLUMES]
    vm.change("spec", "disks", value=[{"name": name, "volume": volume} for name, volume in volumes.items()])
    resolved = [
        {"name": name, "volume": volume, "volumeUID": stores[f"default/{volume}"]["metadata"]["uid"]}
        for name, volume in volumes.items()
    ]
    vm.change("status", "resolved", "disks", value=resolved)
    ports = [{"name": name, "port": number} for number, name in enumerate(("root", "data", "eth0"), 1)]
    vm.change("status", "resolved", "devices", value=ports)


def claim_on(vm: VmHandle, place: VolumePlace) -> Claim:
    """Of data that must be there with a claim."""
    found = vm.world.claims.read(place)
    assert found is not None
    return found


def opened(vm: VmHandle) -> list[str]:
    return [disk["name"] for disk in vm.status["runtime"].get("disks", [])]
