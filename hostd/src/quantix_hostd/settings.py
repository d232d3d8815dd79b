"""hostd's settings: one frozen model, made from the command line by `service` and read by nobody's
environment.
"""

from __future__ import annotations

import argparse
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantix_api.accounts import IMAGE_USER, QEMU_USER
from quantix_api.layout import Layout

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True)
class Settings:
    """What a process is told once."""

    layout: Layout
    name: str
    """The name of this host, and of its object Host."""
    ovs_db: str
    ovn_sb: str | None
    """Southbound database as ovn-controller here reaches it; None: the host's network is left alone."""
    ovn_certificate: bool
    """Whether to keep a certificate for OVN, by which its databases are reached or served with TLS."""
    listen_host: str
    listen_port: int
    libvirt_uri: str
    qemu_user: str
    qemu_group: str
    image_user: str
    json_logs: bool


def parse(arguments: Sequence[str]) -> Settings:
    """Settings from command line flags; exits with code 2 and usage when they are wrong (argparse)."""
    parser = argparse.ArgumentParser(
        prog="quantix-hostd", description="Runs the virtual machines of this host, as the API wants them."
    )
    parser.add_argument("--root", type=Path, default=Path("/"), help="root of all of Quantix' files")
    parser.add_argument("--name", type=_host_name, default=None, help="name of this host (its hostname)")
    parser.add_argument(
        "--ovs-db", default="unix:/run/openvswitch/db.sock", help="database of the host's Open vSwitch"
    )
    parser.add_argument(
        "--ovn-sb", help="OVN's southbound database, e.g. unix:/run/quantix/ovn/ovnsb_db.sock"
    )
    parser.add_argument(
        "--ovn-certificate", action="store_true", help="keep a certificate for OVN in /etc/quantix/pki"
    )
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 9443), help="where to serve its API")
    parser.add_argument("--libvirt", help="libvirt's URI (our own libvirtd below the root)")
    parser.add_argument("--qemu-user", default=QEMU_USER, help="the user that QEMU runs as")
    parser.add_argument("--qemu-group", default=QEMU_USER, help="the group of files that QEMU uses")
    parser.add_argument("--image-user", default=IMAGE_USER, help="the user that looks at images")
    parser.add_argument("--log-format", choices=("json", "console"), help="default: console on a terminal")
    given = parser.parse_args(arguments)
    layout = Layout(given.root.absolute())
    return Settings(
        layout=layout,
        name=given.name or _host_name(socket.gethostname().lower()),
        ovs_db=given.ovs_db,
        ovn_sb=given.ovn_sb,
        ovn_certificate=given.ovn_certificate,
        listen_host=given.listen[0],
        listen_port=given.listen[1],
        libvirt_uri=given.libvirt or f"qemu+unix:///system?socket={layout.libvirt_socket}",
        qemu_user=given.qemu_user,
        qemu_group=given.qemu_group,
        image_user=given.image_user,
        json_logs=given.log_format == "json" if given.log_format else not sys.stdout.isatty(),
    )


def _host_name(text: str) -> str:
    if len(text) > 63 or not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no host name: small letters, digits, - and .")
    return text


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or not 0 <= int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no ADDRESS:PORT")
    return host.strip("[]"), int(port)
