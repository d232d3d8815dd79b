"""Which supervisor keeps this installation running. Used by `qx up`, `qx down` and `make clean`."""

from __future__ import annotations

from pathlib import Path

from quantix_api.layout import Layout
from quantix_cli.supervision.service import Supervisor
from quantix_cli.supervision.supervisord import Supervisord
from quantix_cli.supervision.systemd import Systemd

# sd_booted(3): systemd is the init of this machine when this directory exists
SYSTEMD_MARK = Path("/run/systemd/system")


def supervisor_of(layout: Layout, python: Path, systemd_mark: Path = SYSTEMD_MARK) -> Supervisor:
    """systemd for the machine's own installation where it runs; supervisord for any other.

    An installation with a root of its own may live in a network namespace, which systemd does not know.
    """
    if layout.root == Path("/") and systemd_mark.is_dir():
        return Systemd(str(python.parent / "qx"))
    return Supervisord(layout, python)
