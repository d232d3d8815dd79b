"""Serial console, agent channels, graphics and the devices of a person in front of the machine."""

from __future__ import annotations

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.pcie import BuiltinPort, behind, on_root_bus
from quantix_hostd.domainxml.spec import GUEST_AGENT_CHANNEL, QUANTIX_AGENT_CHANNEL, DomainSpec

_VIDEO_SLOT = 1
_VGA_KIB = 16384


def configure_serial(spec: DomainSpec) -> list[Element]:
    if not spec.console.serial:
        return []
    return [
        element(
            "serial",
            {"type": "unix"},
            _socket(spec.serial_socket),
            element("log", {"file": spec.console_log, "append": "on"}),
            element("target", {"type": "isa-serial", "port": 0}, element("model", {"name": "isa-serial"})),
            element("alias", {"name": "ua-qx_serial"}),
        )
    ]


def configure_channels(spec: DomainSpec) -> list[Element]:
    """The agents' channels, at explicit paths: libvirt's own contain the domain's number."""
    bus = element("controller", {"type": "virtio-serial", "index": 0}, behind(BuiltinPort.VIRTIO_SERIAL))
    return [
        bus,
        _channel(spec, 1, GUEST_AGENT_CHANNEL, "ua-qx_guest_agent", "guest-agent.sock"),
        _channel(spec, 2, QUANTIX_AGENT_CHANNEL, "ua-qx_agent", "agent.sock"),
    ]


def configure_graphics(spec: DomainSpec) -> list[Element]:
    nodes: list[Element] = []
    if spec.console.vnc:
        nodes += [
            element(
                "controller", {"type": "usb", "index": 0, "model": "qemu-xhci"}, behind(BuiltinPort.XHCI)
            ),
            _tablet(),
            element(
                "graphics",
                {"type": "vnc"},
                element("listen", {"type": "socket", "socket": spec.vnc_socket}),
            ),
        ]
    else:
        # libvirt adds a controller of its own unless told that there is none
        nodes.append(element("controller", {"type": "usb", "index": 0, "model": "none"}))
    nodes.append(element("audio", {"id": 1, "type": "none"}))
    nodes.append(_video(spec))
    return nodes


def _channel(spec: DomainSpec, port: int, name: str, alias: str, socket: str) -> Element:
    return element(
        "channel",
        {"type": "unix"},
        _socket(f"{spec.run_dir}/{socket}"),
        element("target", {"type": "virtio", "name": name}),
        element("alias", {"name": alias}),
        element("address", {"type": "virtio-serial", "controller": 0, "bus": 0, "port": port}),
    )


def _socket(path: str) -> Element:
    return element(
        "source", {"mode": "bind", "path": path}, element("seclabel", {"model": "dac", "relabel": "no"})
    )


def _tablet() -> Element:
    return element(
        "input",
        {"type": "tablet", "bus": "usb"},
        element("alias", {"name": "ua-qx_tablet"}),
        element("address", {"type": "usb", "bus": 0, "port": 1}),
    )


def _video(spec: DomainSpec) -> Element:
    kind = spec.console.video
    if kind == "None":
        return element("video", {}, element("model", {"type": "none"}))
    if kind == "VGA":
        model = element("model", {"type": "vga", "vram": _VGA_KIB, "heads": 1, "primary": "yes"})
    else:
        model = element("model", {"type": "virtio", "heads": 1, "primary": "yes"})
    return element("video", {}, model, element("alias", {"name": "ua-qx_video"}), on_root_bus(_VIDEO_SLOT))
