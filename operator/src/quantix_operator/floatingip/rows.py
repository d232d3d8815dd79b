"""The northbound row of a FloatingIP: one translation at a router, both ways.

Pure; called by the controller. The router and its way out are the router's own rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import FloatingIP
from quantix_operator.northbound.rows import DesiredRow, Owner, SetRef

_KEY = "nat"


@dataclass(frozen=True)
class Translation:
    """What is translated and by which router. With `port` and `mac` the host of that port does it, and
    answers outside as that MAC; without, the host that carries the router's way out (ovn-nb(5), NAT).
    `vm` is the UID of the VM that has the address inside: it keeps that as long as this row is there.
    """

    router: Owner
    outside: str
    inside: str
    vm: str
    port: str | None
    mac: str | None


def floating_ip_owner(cluster_uid: str, floating_ip: FloatingIP) -> Owner:
    """The owner of the row of a FloatingIP."""
    return Owner(cluster_uid, floating_ip.metadata.uid, "FloatingIP", floating_ip.key)


def floating_ip_rows(owner: Owner, translation: Translation | None) -> list[DesiredRow]:
    """The row of a FloatingIP; none while it leads nowhere."""
    if translation is None:
        return []
    return [
        owner.row(
            "NAT",
            _KEY,
            parents=[SetRef(*translation.router.ref("Logical_Router"), "nat")],
            target=translation.vm,
            type="dnat_and_snat",
            external_ip=translation.outside,
            logical_ip=translation.inside,
            logical_port=translation.port,
            external_mac=translation.mac,
        )
    ]
