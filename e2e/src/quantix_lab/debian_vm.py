"""The VM of the Debian image that the end-to-end tests look into, and what it is made from.

Its address is static, its user data comes from a Secret, a package from an archive of the test's, and it is
Ready when its agent answers.
"""

from __future__ import annotations

import base64
import json
from ipaddress import ip_network

from quantix_lab.debian_guest import PACKAGE
from quantix_lab.machine_view import SHARED, MachineView, Manifest
from quantix_lab.vm_manifests import small_vm

NAME = "deb-1"
HOSTNAME = "inside"
TOKEN = "s3cr3t-of-the-tests"
"""in the Secret alone, and in the guest"""
OTHER_ADDRESS = "10.99.0.7"
"""which the guest gives itself besides"""
MAC = "52:54:00:12:34:56"

USER_DATA = """\
#cloud-config
apt:
  preserve_sources_list: false
  sources_list: "deb [trusted=yes] {server}/archive ./"
packages: [{package}]
write_files:
  - path: /etc/token
    permissions: "0600"
    content: {token}
  # so that ACPI's power button does nothing, and only the agent can shut the guest down
  - path: /etc/systemd/logind.conf.d/deaf.conf
    content: |
      [Login]
      HandlePowerKey=ignore
runcmd:
  - [sh, -c, "{package} > /root/ran"]
  - [systemctl, restart, systemd-logind]
"""


def image(name: str, url: str, **spec: str) -> Manifest:
    """An Image that is downloaded."""
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "Image",
        "metadata": {"name": name},
        "spec": {"url": url, **spec},
    }


def user_data(server: str) -> Manifest:
    """The Secret with its user data; `server` has the package archive."""
    text = USER_DATA.format(server=server, package=PACKAGE, token=TOKEN)
    data = {"userData": base64.b64encode(text.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "data": data}


def debian_vm(view: MachineView, key: str) -> Manifest:
    """The VM, which lets in who has this SSH key."""
    network = view.get("network", "default", SHARED)
    subnet = next(ip_network(cidr) for cidr in network["status"]["subnets"] if ":" not in cidr)
    address, gateway = subnet[200], subnet[1]
    ethernet = {
        "match": {"macaddress": MAC},
        "addresses": [f"{address}/{subnet.prefixlen}", f"{OTHER_ADDRESS}/32"],
        "routes": [{"to": "0.0.0.0/0", "via": str(gateway)}],
    }
    return small_vm(
        NAME,
        cpu={"cores": 2},
        memory={"size": "768Mi"},
        # with one SCSI disk at the start there is a controller for others
        disks=[
            {"name": "root", "image": "debian", "size": "3Gi", "reclaimPolicy": "Delete"},
            {"name": "cold", "size": "16Mi", "bus": "SCSI", "reclaimPolicy": "Delete"},
        ],
        cdroms=[{"name": "tools"}],
        nics=[{"name": "eth0", "network": "shared/default", "mac": MAC, "addresses": [str(address)]}],
        readiness={"agent": {}},
        cloudInit={
            "hostname": HOSTNAME,
            "sshAuthorizedKeys": [key],
            "userDataSecretRef": {"name": NAME},
            "networkData": json.dumps({"version": 2, "ethernets": {"nic": ethernet}}),
        },
    )
