"""The files of a guest's first-boot settings: the documents of a NoCloud seed, or Windows' answers. Pure.

Called by `drive`. Format: cloud-init's NoCloud data source (meta-data, user-data, vendor-data,
network-config; JSON is YAML). Authorized keys go into meta-data, where they count whatever kind the user data
is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from quantix_api import VirtualMachine

LABEL = "cidata"
ANSWERS_LABEL = "SYSPREP"
# Setup looks for the first on every drive, a system that was sysprepped for the second (Microsoft, "Windows
# Setup: Implicit Answer File Search Order")
_ANSWER_FILES = ("autounattend.xml", "unattend.xml")
_MAX_HOSTNAME = 63
# Once for each instance, whatever the user data is. A disk that was another VM's has that VM's machine-id.
# The UUID of a VM is what systemd takes itself where there is none yet (machine-id(5), "Initialization").
_OWN_MACHINE_ID = """#!/bin/sh
# of Quantix: what was copied from another VM gets a machine-id of its own, from the next boot on
set -- /var/lib/cloud/instances/*
[ $# -gt 1 ] || exit 0
own=$(tr -d '\\n-' < /sys/class/dmi/id/product_uuid | tr A-F a-f)
[ ${#own} -eq 32 ] || exit 0
for file in /etc/machine-id /var/lib/dbus/machine-id; do
    if [ -s "$file" ] && [ ! -L "$file" ]; then echo "$own" > "$file"; fi
done
"""


def render_seed(vm: VirtualMachine, user_data: str, domain: str = "") -> Mapping[str, bytes]:
    """The files of the seed. `user_data` is the text from spec or from its Secret, "" for none; nothing is
    added to it. `domain` is what the guest's name is in, "" for none.
    """
    cloud_init = vm.spec.cloud_init
    if cloud_init is None:
        raise ValueError("this VM has no cloudInit")
    meta: dict[str, Any] = {
        "instance-id": instance_id(vm),
        # cloud-init takes the first label for the hostname, the whole for the FQDN
        "local-hostname": f"{hostname(vm)}.{domain}" if domain else hostname(vm),
        "public-keys": list(cloud_init.ssh_authorized_keys or []),
    }
    network = cloud_init.network_data or _json(_dhcp_everywhere(vm))
    return {
        "meta-data": _json(meta).encode(),
        "user-data": (user_data or "#cloud-config\n{}\n").encode(),
        "vendor-data": _OWN_MACHINE_ID.encode(),
        "network-config": network.encode(),
    }


def render_answers(content: bytes) -> Mapping[str, bytes]:
    """The answer file as the user wrote it, under the names by which Windows finds it."""
    return dict.fromkeys(_ANSWER_FILES, content)


def hostname(vm: VirtualMachine) -> str:
    """What the guest is to call itself: from spec, else the name up to its first dot."""
    explicit = vm.spec.cloud_init.hostname if vm.spec.cloud_init else None
    return explicit or vm.metadata.name.split(".")[0][:_MAX_HOSTNAME].rstrip("-")


def instance_id(vm: VirtualMachine) -> str:
    """A new value has the guest run its first-boot steps again."""
    resolved = vm.status.resolved.instance_id if vm.status.resolved else None
    explicit = vm.spec.cloud_init.instance_id if vm.spec.cloud_init else None
    return explicit or resolved or vm.metadata.uid


def _dhcp_everywhere(vm: VirtualMachine) -> dict[str, Any]:
    """Network configuration version 2: DHCP on every NIC, found by its MAC whatever the kernel calls it."""
    return {
        "version": 2,
        "ethernets": {
            nic.name: {"match": {"macaddress": nic.mac}, "dhcp4": True, "dhcp6": True}
            for nic in vm.status.nics
        },
    }


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
