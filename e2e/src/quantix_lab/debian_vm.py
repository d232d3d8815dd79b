"""The VM of the Debian image that the end-to-end tests look into, and what it is made from.

It is the server of docs/cloud-init.md with more: a static address beside one by DHCP, user data from a
Secret, a package from an archive of the test's.
"""

from __future__ import annotations

import base64
import json
from ipaddress import ip_network

import yaml

from quantix_lab.cloud_init_page import EXAMPLE
from quantix_lab.debian_guest import PACKAGE
from quantix_lab.machine_view import SHARED, MachineView, Manifest

SECRET = "first-boot"
TOKEN = "s3cr3t-of-the-tests"
"""in the Secret alone, and in the guest"""
OTHER_ADDRESS = "10.99.0.7"
"""which the guest gives itself besides"""
MAC = "52:54:00:12:34:56"
OTHER_MAC = "52:54:00:12:34:57"

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
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data}


def debian_vm(view: MachineView) -> Manifest:
    """The VM of the example, with more disks and drives, and a NIC that has a static address."""
    vm: Manifest = yaml.safe_load(EXAMPLE.read_text())
    network = view.get("network", "default", SHARED)
    subnet = next(ip_network(cidr) for cidr in network["status"]["subnets"] if ":" not in cidr)
    address, gateway = subnet[200], subnet[1]
    static = {
        "match": {"macaddress": MAC},
        "addresses": [f"{address}/{subnet.prefixlen}", f"{OTHER_ADDRESS}/32"],
        "routes": [{"to": "0.0.0.0/0", "via": str(gateway)}],
    }
    # what hostd writes for every NIC where spec says nothing
    by_dhcp = {"match": {"macaddress": OTHER_MAC}, "dhcp4": True, "dhcp6": True}
    spec = vm["spec"]
    # two would wait for each other, where all that is emulated shares two cores
    spec["cpu"]["cores"] = 1
    (root,) = spec["disks"]
    # with one SCSI disk at the start there is a controller for others
    spec["disks"] = [root, {"name": "cold", "size": "16Mi", "bus": "SCSI", "reclaimPolicy": "Delete"}]
    spec["cdroms"] = [{"name": "tools"}]
    spec["nics"] = [
        {"name": "eth0", "network": "shared/default", "mac": MAC, "addresses": [str(address)]},
        {"name": "eth1", "network": "shared/default", "mac": OTHER_MAC},
    ]
    del spec["cloudInit"]["userData"]
    spec["cloudInit"]["userDataSecretRef"] = {"name": SECRET}
    spec["cloudInit"]["networkData"] = json.dumps(
        {"version": 2, "ethernets": {"static": static, "by-dhcp": by_dhcp}}
    )
    return vm
