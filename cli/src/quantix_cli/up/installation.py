"""What is installed here, as the table of services needs it. Used by `qx up` and `qx down`."""

from __future__ import annotations

import hashlib
import socket
import sys
from pathlib import Path

from quantix_cli.supervision.table import Installation
from quantix_cli.up.settings import UpSettings

MACHINE_OPENVSWITCH = Path("/run/openvswitch")
SOURCES = ("crds/src", "operator/src", "hostd/src")


def describe(settings: UpSettings, controlplane: Path | None) -> Installation:
    """The installation of `settings`; `controlplane` is the built binary, None with the user's cluster and
    on a member of another machine's.
    """
    own_switch = settings.layout.data / "openvswitch/conf.db"
    use_machines = not own_switch.exists() and answers(MACHINE_OPENVSWITCH / "db.sock")
    return Installation(
        layout=settings.layout,
        host_name=settings.host_name,
        python=Path(sys.executable),
        code=code_version(settings.checkout),
        controlplane=controlplane,
        api_port=settings.api_port,
        machine_openvswitch=MACHINE_OPENVSWITCH if use_machines else None,
        place=settings.place,
    )


def answers(socket_path: Path) -> bool:
    """Whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(socket_path))
        except OSError:
            return False
        return True


def code_version(checkout: Path) -> str:
    """Names the Python code that operator and hostd run: a hash of its files."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((checkout / folder).rglob("*.py")):
            digest.update(str(path.relative_to(checkout)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
