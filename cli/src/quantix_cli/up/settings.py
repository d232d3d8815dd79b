"""What `qx up` and `qx down` are told: by the environment, once, here. Standard library only."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_api.layout import MAX_ROOT_LENGTH, Layout

CHECKOUT = Path(__file__).resolve().parents[4]
DEFAULT_PORT = 6443


@dataclass(frozen=True)
class UpSettings:
    """One installation. `kubeconfig` names a cluster of the user's own, or is None; `since_s` is when the run
    began (CLOCK_MONOTONIC, shared by the processes of one `make up`), None in the first of them.
    """

    layout: Layout
    checkout: Path
    cache: Path
    host_name: str
    api_port: int
    kubeconfig: Path | None
    since_s: float | None
    earlier_changes: bool

    @property
    def is_machines_own(self) -> bool:
        """Whether this is the installation of the machine itself, which may put links into /usr/local/bin."""
        return self.layout.root == Path("/")

    @property
    def venv(self) -> Path:
        return self.checkout / ".venv"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.kubeconfig or self.layout.admin_kubeconfig

    @property
    def log_path(self) -> Path:
        return self.layout.log / "up.log"


def read_settings(environment: Mapping[str, str] = os.environ) -> UpSettings:
    """Settings from QUANTIX_ROOT, QUANTIX_KUBECONFIG, QUANTIX_API_PORT, QUANTIX_CACHE and the host name.

    Raises PermanentError when one of them cannot be.
    """
    root = Path(environment.get("QUANTIX_ROOT") or "/")
    if not root.is_absolute() or len(str(root)) > MAX_ROOT_LENGTH:
        raise PermanentError(
            "SettingRefused",
            f"QUANTIX_ROOT is {root}; it must be an absolute path of at most {MAX_ROOT_LENGTH} characters.",
            "a shorter directory, e.g. /srv/quantix",
        )
    port = environment.get("QUANTIX_API_PORT") or str(DEFAULT_PORT)
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise PermanentError(
            "SettingRefused", f"QUANTIX_API_PORT is {port}, which is no port.", "QUANTIX_API_PORT=7443"
        )
    kubeconfig = environment.get("QUANTIX_KUBECONFIG")
    if kubeconfig and not os.access(kubeconfig, os.R_OK):
        raise PermanentError(
            "SettingRefused", f"QUANTIX_KUBECONFIG names {kubeconfig}, which cannot be read.", "correct it"
        )
    layout = Layout(root)
    since = environment.get("QUANTIX_UP_SINCE")
    return UpSettings(
        layout=layout,
        checkout=CHECKOUT,
        cache=Path(environment.get("QUANTIX_CACHE") or layout.cache),
        host_name=environment.get("QUANTIX_HOST_NAME") or socket.gethostname().partition(".")[0].lower(),
        api_port=int(port),
        kubeconfig=Path(kubeconfig) if kubeconfig else None,
        since_s=float(since) if since else None,
        earlier_changes=environment.get("QUANTIX_UP_CHANGED") == "yes",
    )
