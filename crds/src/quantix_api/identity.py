"""Names and identifiers that outlive every process: the same inputs give the same answer, everywhere.

Used by the operator (rows of the network database, ports, MAC addresses) and by whoever has to find one of
them again. Everything derives from the UID of the cluster, so that two clusters on one wire or in one
database never choose the same. Nothing here talks to anything.
"""

from __future__ import annotations

import hashlib
from typing import NewType
from uuid import UUID, uuid5

SwitchPortName = NewType("SwitchPortName", str)
"""A logical switch port's name, a UUID in text form: libvirt's `interfaceid` must be one."""

PortGroupName = NewType("PortGroupName", str)
"""A port group's name: OVN allows `[A-Za-z_.][A-Za-z_.0-9]*` there (ovn-nb(5), Port_Group)."""

# The first octet of a MAC says what it belongs to. All are locally administered and unicast, and none is
# `fe`, which libvirt refuses (it is the prefix of its own tap devices).
MAC_VM_NIC = 0x02
MAC_ROUTER_PORT = 0x06
MAC_FLOATING_IP = 0x0A
MAC_HOST_LEG = 0x0E


def cluster_namespace(cluster_uid: str) -> UUID:
    """The UUID namespace of the cluster with this UID (key `uid` of ConfigMap `quantix-cluster`)."""
    return uuid5(UUID(cluster_uid), "quantix.io")


def row_uuid(cluster_uid: str, owner_uid: str, table: str, key: str = "") -> UUID:
    """The UUID of the row `key` that belongs to the object `owner_uid` in this table of the network database.

    Chosen by us, so that a second writer cannot make the row twice and a lost database comes back the same.
    """
    return uuid5(cluster_namespace(cluster_uid), f"{owner_uid}/{table}/{key}")


def nic_port_name(cluster_uid: str, vm_uid: str, nic: str) -> SwitchPortName:
    """The name of the switch port of one NIC: libvirt's `interfaceid` and Open vSwitch's `iface-id`."""
    return SwitchPortName(str(uuid5(cluster_namespace(cluster_uid), f"{vm_uid}/nic/{nic}")))


def host_leg_port_name(cluster_uid: str, host_uid: str) -> SwitchPortName:
    """The name of the switch port of `qxh0`, the host's own leg into the guests' network."""
    return SwitchPortName(str(uuid5(cluster_namespace(cluster_uid), f"{host_uid}/hostleg")))


def way_out_mac(cluster_uid: str) -> str:
    """The MAC of the host's own port on `qx-local`, where guests' way out begins: the same on every host, so
    that a router may know it whichever host carries it.
    """
    return mac_address(MAC_HOST_LEG, cluster_uid, cluster_uid, "way-out")


def port_group_name(group_uid: str) -> PortGroupName:
    """The name of the port group of the SecurityGroup with this UID."""
    return PortGroupName(f"qx_sg_{UUID(group_uid).hex}")


def mac_address(prefix: int, cluster_uid: str, owner_uid: str, key: str, attempt: int = 0) -> str:
    """A MAC address in lower case: the prefix octet, then 40 bits of a hash.

    `attempt` gives another one when the first is taken on its switch.
    """
    digest = hashlib.sha256(f"{cluster_uid}/{owner_uid}/{key}/{attempt}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (prefix, *digest[:5]))
