"""Network interfaces: taps on the integration bridge, bound by OVN through their interface id."""

from __future__ import annotations

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import behind, root_port_of
from quantix_hostd.domainxml.spec import DomainSpec, Nic, tap_name


def configure_nics(spec: DomainSpec) -> list[Element]:
    return [_nic(nic) for nic in spec.nics]


def _nic(nic: Nic) -> Element:
    return element(
        "interface",
        {"type": "bridge"},
        element("mac", {"address": nic.mac}),
        element("source", {"bridge": nic.bridge}),
        element(
            "virtualport", {"type": "openvswitch"}, element("parameters", {"interfaceid": nic.switch_port})
        ),
        element("target", {"dev": tap_name(nic.switch_port)}),
        element("model", {"type": nic.model}),
        _driver(nic),
        element("boot", {"order": nic.boot_order}) if nic.boot_order else None,
        element("mtu", {"size": nic.mtu}),
        element("link", {"state": "up" if nic.link_up else "down"}),
        element("alias", {"name": f"ua-{nic.name}"}),
        behind(root_port_of(nic.port)),
    )


def _driver(nic: Nic) -> Element | None:
    """Offloads off where OVS reads the tap by AF_PACKET: there ping works and TCP fails with them."""
    if nic.model != "virtio":
        return None
    attributes: dict[str, str | int] = {"name": "qemu"} if not nic.offloads else {}
    if nic.queues > 1:
        attributes["queues"] = nic.queues
    if nic.offloads:
        return element("driver", attributes) if attributes else None
    off = dict.fromkeys(("csum", "tso4", "tso6", "ecn", "ufo"), "off")
    return element("driver", attributes, element("host", {**off, "gso": "off"}), element("guest", off))
