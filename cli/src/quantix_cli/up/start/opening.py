"""Lets the ovn-controllers of other machines reach the southbound database here: by TLS, with the rights of a
chassis, and nothing else (ovn-sbctl(8), set-ssl and set-connection; OVN 23.03).

Called while a machine that is open starts. The certificate is the one that this machine's hostd keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quantix_api.errors import QuantixError, TransientError
from quantix_cli.place import SOUTHBOUND_PORT, in_url
from quantix_cli.supervision.table import HOSTD, Installation
from quantix_cli.up.run.progress import Activity
from quantix_cli.up.start.network_databases import must_run
from quantix_cli.up.start.site import Site
from quantix_cli.up.start.waiting import until

_CERTIFICATE_TIMEOUT_S = 60.0
_ROLE = "ovn-controller"
# a host that is busy is not cut off at once (network.md, section 12)
_PROBE_MS = 60000


async def ensure_open(site: Site, address: str, activity: Activity) -> bool:
    """Have the database listen on `address`; whether anything was to do. Raises QuantixError."""
    files = _certificate_files(site.installation)
    activity.say("waiting for this machine's certificate for the network")
    await _wait_for(site, files)
    changed = False
    for get, wanted, put in (
        ("get-ssl", [str(path) for path in files], ["set-ssl", *map(str, files)]),
        ("get-connection", [_target(address), f'role="{_ROLE}"'], _set_connection(address)),
    ):
        said = "\n".join((await must_run(_sbctl(site.installation, get), site.log)).output)
        if not all(word in said for word in wanted):
            await must_run(_sbctl(site.installation, *put), site.log)
            changed = True
    return changed


def _set_connection(address: str) -> Sequence[str]:
    probe = ("--", "set", "connection", ".", f"inactivity_probe={_PROBE_MS}")
    return ("set-connection", f"role={_ROLE}", _target(address), *probe)


def _target(address: str) -> str:
    return f"pssl:{SOUTHBOUND_PORT}:{in_url(address)}"


def _certificate_files(installation: Installation) -> tuple[Path, ...]:
    layout = installation.layout
    return layout.ovn_key, layout.ovn_certificate, layout.ovn_authority


def _sbctl(installation: Installation, *words: str) -> list[str]:
    database = f"--db=unix:{installation.layout.ovn_sb_socket}"
    return ["ovn-sbctl", "--timeout=20", database, "--no-leader-only", *words]


async def _wait_for(site: Site, files: Sequence[Path]) -> None:
    async def look() -> bool | None:
        return all(path.exists() for path in files) or None

    async def give_up() -> QuantixError:
        said = site.last_words(HOSTD) or "hostd says nothing about it."
        within = f"This machine had no certificate for the network within {_CERTIFICATE_TIMEOUT_S:.0f} s"
        return TransientError("NoNetworkCertificate", f"{within}: {said}", "make up again")

    await until(look, _CERTIFICATE_TIMEOUT_S, give_up)
