"""The operator's settings: one frozen model, made from the command line by `service` and read by nobody's
environment.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantix_api.layout import Layout


@dataclass(frozen=True)
class Settings:
    """What a process is told once."""

    layout: Layout
    kubeconfig: Path
    ovn_nb: str | None
    """Connection of the northbound database ("unix:/…/ovnnb_db.sock"); None: networks are left alone."""
    ovn_sb: str | None
    """Connection of the southbound database; None: what a deleted host left there stays."""
    metrics_host: str
    metrics_port: int
    identity: str
    """Names this process among candidates for leadership; never the same twice."""
    host_name: str
    """What events give as `reportingInstance`."""
    resync_s: float
    serving_certificate_s: float
    """How long a certificate signed for a host's server is good."""
    json_logs: bool


def parse(arguments: Sequence[str]) -> Settings:
    """Settings from command line flags; exits with code 2 and usage when they are wrong (argparse)."""
    parser = argparse.ArgumentParser(
        prog="quantix-operator", description="Decides where and how everything runs. One of several leads."
    )
    parser.add_argument("--root", type=Path, default=Path("/"), help="root of all of Quantix' files")
    parser.add_argument("--kubeconfig", type=Path, help="default: that of the root")
    parser.add_argument("--ovn-nb", help="northbound database, e.g. unix:/run/quantix/ovn/ovnnb_db.sock")
    parser.add_argument("--ovn-sb", help="southbound database, e.g. unix:/run/quantix/ovn/ovnsb_db.sock")
    parser.add_argument(
        "--metrics", type=_address, default=("127.0.0.1", 9442), help="where to serve /metrics, /healthz"
    )
    parser.add_argument("--resync-seconds", type=float, default=60.0, help="time between full lists")
    parser.add_argument(
        "--serving-certificate-seconds",
        type=float,
        default=90 * 24 * 3600.0,
        help="life of certificates for the servers of hosts; a host renews after two thirds (90 days)",
    )
    parser.add_argument("--log-format", choices=("json", "console"), help="default: console on a terminal")
    given = parser.parse_args(arguments)
    layout = Layout(given.root)
    host_name = socket.gethostname()
    return Settings(
        layout=layout,
        kubeconfig=given.kubeconfig or layout.operator_kubeconfig,
        ovn_nb=given.ovn_nb,
        ovn_sb=given.ovn_sb,
        metrics_host=given.metrics[0],
        metrics_port=given.metrics[1],
        identity=f"{host_name}_{os.getpid()}_{os.urandom(4).hex()}",
        host_name=host_name,
        resync_s=given.resync_seconds,
        serving_certificate_s=given.serving_certificate_seconds,
        json_logs=given.log_format == "json" if given.log_format else not sys.stdout.isatty(),
    )


def _address(text: str) -> tuple[str, int]:
    """HOST:PORT; port 0 lets the kernel choose."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)
