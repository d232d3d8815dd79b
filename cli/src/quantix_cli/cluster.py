"""Which cluster a command talks to, and why that one. Reads only the settings that it is given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from quantix_api.layout import Layout
from quantix_cli.exits import CommandError, Exit
from quantix_cli.place import read_place
from quantix_cli.settings import Settings


@dataclass(frozen=True)
class Target:
    """`why` completes "in use because …" for `qx context`; `own` is this machine's installation where the
    kubeconfig is that one's.
    """

    kubeconfig: Path
    context: str | None
    why: str
    own: Layout | None = None


def choose(flag: str | None, context: str | None, settings: Settings) -> Target:
    """The first of: --kubeconfig, QUANTIX_KUBECONFIG, KUBECONFIG, this host's own, ~/.kube/config.

    Raises CommandError (7) when there is none.
    """
    for value, why in (
        (Path(flag) if flag else None, "--kubeconfig names it"),
        (settings.quantix_kubeconfig, "QUANTIX_KUBECONFIG names it"),
        (settings.kubeconfig, "KUBECONFIG names it"),
    ):
        if value is not None:
            return _target(_readable(value.expanduser(), why), context, why, settings)
    own = settings.layout.admin_kubeconfig
    if os.access(own, os.R_OK):
        return _target(own, context, "it is this host's own", settings)
    home = (settings.home or Path("/root")) / ".kube/config"
    if os.access(home, os.R_OK):
        return _target(home, context, "it is yours (~/.kube/config)", settings)
    if (place := read_place(settings.layout.place)) is not None and place.is_member:
        raise CommandError(
            Exit.UNREACHABLE,
            f"This machine is host {place.host} of another one's cluster, and keeps no way to administer it.",
            "the same on the machine with the control plane, or name a kubeconfig with --kubeconfig",
        )
    raise CommandError(
        Exit.UNREACHABLE,
        f"No cluster is known here: {own} is not there or not readable, and neither is {home}.",
        "make up on this machine, sudo, or name a kubeconfig with --kubeconfig",
    )


def _target(path: Path, context: str | None, why: str, settings: Settings) -> Target:
    """The target; ~/.kube/config may be a link to this machine's own."""
    is_own = path.resolve() == settings.layout.admin_kubeconfig.resolve()
    return Target(path, context, why, settings.layout if is_own else None)


def _readable(path: Path, why: str) -> Path:
    if not os.access(path, os.R_OK):
        raise CommandError(
            Exit.UNREACHABLE, f"{path} cannot be read ({why}).", "correct the path or its rights"
        )
    return path
