"""Metrics call a device as spec does: the names are those that the rendered domain gives its targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from quantix_api import VirtualMachine
from quantix_api.layout import Layout
from quantix_hostd.claims import VolumePlace
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.virtualmachine.desired import HostFacts, Surroundings, VolumeState, desired_domain
from quantix_hostd.virtualmachine.device_names import device_names

_UID = "daaee2dc-3de5-4c5e-afa3-06beae8d3c1b"
_DISKS = {"root": "Virtio", "logs": "SCSI", "old": "SATA", "older": "SATA"}
_FACTS = HostFacts("h1", "c1", "b1", kvm=False, userspace_switch=True, machine_type="pc-q35-7.2")


def vm(**status: Any) -> VirtualMachine:
    devices = [{"name": name, "port": port} for port, name in enumerate((*_DISKS, "lan"), 1)]
    resolved = {"uuid": _UID, "cores": 1, "memory": "128Mi", "firmware": "BIOS", "devices": devices}
    resolved["disks"] = [{"name": name, "volume": name, "volumeUID": _UID} for name in _DISKS]
    nic = {"name": "lan", "port": "0b8fbd8e-5f0c-4e0f-9a64-0f3f3f0b3d6e", "mac": "52:54:00:12:34:56"}
    return VirtualMachine.model_validate(
        {
            "metadata": {"name": "web-1", "namespace": "blue", "uid": _UID},
            "spec": {
                "cpu": {"cores": 1},
                "memory": {"size": "128Mi"},
                "disks": [{"name": name, "volume": name, "bus": bus} for name, bus in _DISKS.items()],
                "cdroms": [{"name": "install", "image": "tiny"}],
                "nics": [{"name": "lan", "network": "blue"}],
                "cloudInit": {"userData": "#cloud-config"},
            },
            "status": {"resolved": resolved, "nics": [nic], **status},
        }
    )


def test_every_device_of_the_domain_has_its_name_in_spec() -> None:
    volumes = [VolumeState(name, name, _UID, VolumePlace(Path("/pool"), name)) for name in _DISKS]
    around = Surroundings(tuple(volumes), {"lan": 1442}, {"install": "/pool/tiny"})
    domain = render_domain(desired_domain(vm(), around, _FACTS, Layout(Path("/q"))))
    named = {}
    for kind in ("disk", "interface"):
        for device in ElementTree.fromstring(domain).iterfind(f"devices/{kind}"):
            target, alias = device.find("target"), device.find("alias")
            assert target is not None
            assert alias is not None
            named[target.get("dev")] = str(alias.get("name")).removeprefix("ua-")
    assert len(named) == 7
    assert device_names(vm()) == named


def test_before_anything_was_decided_only_media_have_names() -> None:
    assert set(device_names(vm(resolved=None, nics=[])).values()) == {"install", "qx_seed"}
