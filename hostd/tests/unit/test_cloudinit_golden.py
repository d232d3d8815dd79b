"""Every field of spec.cloudInit as the documents that cloud-init reads, to the byte.

A wanted change is accepted by writing the file anew; a missing one fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_hostd.firstboot.render import render_seed

GOLDEN = Path(__file__).parent / "cloudinit_golden"
DOMAIN = "default.quantix.internal"
CASES: dict[str, dict[str, Any]] = {
    "nothing-said": {},
    "all-said": {
        "instanceID": "2",
        "hostname": "db",
        "sshAuthorizedKeys": ["ssh-ed25519 AAAA ann@example.com", "ssh-rsa BBBB bob"],
        "userData": "#cloud-config\n# kept: äöü, 'quotes' and\ttabs \nusers: [default]\n\n",
        "networkData": "version: 2\nethernets:\n  eth0: {addresses: [10.0.0.5/24]}\n",
    },
    "a-script": {"userData": "#!/bin/sh\necho hi"},
    "many-parts": {
        "userData": 'Content-Type: multipart/mixed; boundary="=="\nMIME-Version: 1.0\n\n--==\n\nx\n--==--\n'
    },
}


def machine(cloud_init: dict[str, Any]) -> VirtualMachine:
    nics = [{"name": f"eth{place}", "mac": f"02:00:00:00:00:0{place}", "addresses": []} for place in (0, 1)]
    metadata = {"name": "web-1.example", "namespace": "default", "uid": "0a1b"}
    spec = {"disks": [], "cloudInit": cloud_init}
    status = {"nics": nics, "resolved": {"instanceID": "0a1b"}}
    return VirtualMachine.model_validate({"metadata": metadata, "spec": spec, "status": status})


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_seed_is_as_its_golden_files(name: str) -> None:
    vm = machine(CASES[name])
    files = render_seed(vm, vm.spec.cloud_init.user_data or "" if vm.spec.cloud_init else "", DOMAIN)
    assert {path.name: path.read_bytes() for path in (GOLDEN / name).iterdir()} == dict(files)


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(CASES)


def test_user_data_reaches_the_guest_to_the_letter() -> None:
    text = str(CASES["all-said"]["userData"])
    assert render_seed(machine(CASES["all-said"]), text)["user-data"] == text.encode()
