"""The installation that `qx up`, `qx down` and `make clean` are about: the settings, judged. Standard library
only.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_api.layout import MAX_ROOT_LENGTH, Layout
from quantix_cli.place import Place, read_place
from quantix_cli.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[4]
# as hostd takes it
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NAME_LENGTH = 63


@dataclass(frozen=True)
class UpSettings:
    """One installation. `kubeconfig` names a cluster of the user's own, or is None; `since_s` is when the run
    began (CLOCK_MONOTONIC, shared by the processes of one `make up`), None in the first of them. `home` and
    `search_path` are those of the person who started it.
    """

    layout: Layout
    checkout: Path
    cache: Path
    keeps_cache: bool
    host_name: str
    api_port: int
    kubeconfig: Path | None
    since_s: float | None
    earlier_changes: bool
    home: Path | None
    search_path: str
    place: Place | None = None

    @property
    def is_member(self) -> bool:
        """Whether this machine is in the cluster of another one."""
        return self.place is not None and self.place.is_member

    @property
    def is_machines_own(self) -> bool:
        """Whether this is the installation of the machine itself, which may put links into /usr/local/bin."""
        return self.layout.root == Path("/")

    @property
    def own_cache(self) -> tuple[Path, ...]:
        """The directory for builds that goes with the installation: none that QUANTIX_CACHE names."""
        usual = self.layout.cache
        return () if self.keeps_cache and self.cache == usual else (usual,)

    @property
    def venv(self) -> Path:
        return self.checkout / ".venv"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.kubeconfig or self.layout.admin_kubeconfig

    @property
    def log_path(self) -> Path:
        return self.layout.log / "up.log"


def judge_settings(given: Settings) -> UpSettings:
    """The installation of these settings. Raises PermanentError when one of them cannot be, or it cannot be
    read which cluster this machine is part of.
    """
    root, port, kubeconfig = given.layout.root, given.api_port, given.quantix_kubeconfig
    if not root.is_absolute() or len(str(root)) > MAX_ROOT_LENGTH:
        raise PermanentError(
            "SettingRefused",
            f"QUANTIX_ROOT is {root}; it must be an absolute path of at most {MAX_ROOT_LENGTH} characters.",
            "a shorter directory, e.g. /srv/quantix",
        )
    place = read_place(given.layout.place)
    host_name = (place.host if place else "") or given.host_name
    if not is_host_name(host_name):
        raise PermanentError("SettingRefused", no_host_name(host_name), "QUANTIX_HOST_NAME=another name")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise PermanentError(
            "SettingRefused", f"QUANTIX_API_PORT is {port}, which is no port.", "QUANTIX_API_PORT=7443"
        )
    if kubeconfig and not os.access(kubeconfig, os.R_OK):
        raise PermanentError(
            "SettingRefused", f"QUANTIX_KUBECONFIG names {kubeconfig}, which cannot be read.", "correct it"
        )
    return UpSettings(
        layout=given.layout,
        checkout=CHECKOUT,
        cache=given.cache,
        keeps_cache=given.keeps_cache,
        host_name=host_name,
        api_port=int(port),
        kubeconfig=kubeconfig,
        since_s=given.up_since_s,
        earlier_changes=given.up_changed,
        home=given.home,
        search_path=given.search_path,
        place=place,
    )


def is_host_name(text: str) -> bool:
    """Whether hostd takes it as the name of a host."""
    return len(text) <= _NAME_LENGTH and _NAME.fullmatch(text) is not None


def no_host_name(text: str) -> str:
    return f"{text!r} is no name of a host: small letters, digits, - and . are."
