"""The host's own identity towards the API: a client certificate in hostd.kubeconfig, got once, renewed for
ever.

Called by `service`. The first certificate is asked for with the bootstrap token; a third of its life before
it ends hostd asks for the next with the one it has. A key never leaves the machine, and is on disk before it
is used.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from quantix_api.errors import PermanentError, QuantixError
from quantix_api.layout import Layout
from quantix_api.resources import HOST_USER_PREFIX
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_client.kubeconfig import load, render
from quantix_hostd.clients.files import write_atomically
from quantix_hostd.join.requests import (
    CLIENT,
    as_host,
    common_name,
    new_key,
    renewal_due_s,
    retry_s,
    usable,
)
from quantix_hostd.join.signing import obtain_certificate
from quantix_hostd.join.trust import published_authority, with_renewed

_USER_AGENT = "quantix-hostd"
# so that a clock that somebody set ahead is noticed before the certificate ends
_SHORTEST_SLEEP_S, _LONGEST_SLEEP_S = 1.0, 300.0

log = structlog.get_logger(__name__)


class HostIdentity:
    """The identity of host `name`, kept below `layout`."""

    def __init__(self, layout: Layout, name: str, clock: Clock) -> None:
        self._layout = layout
        self._name = name
        self._clock = clock

    @property
    def kubeconfig(self) -> Path:
        return self._layout.hostd_kubeconfig

    async def ensure(self) -> None:
        """Return when hostd.kubeconfig is usable, joining first if it is not.

        Raises PermanentError: NotJoined (neither a certificate nor a token), JoinDenied, or WrongHost when
        the certificate is another host's.
        """
        if self._has_certificate():
            return
        bootstrap = self._layout.bootstrap_kubeconfig
        if not bootstrap.exists():
            raise PermanentError(
                "NotJoined",
                f"This host has no valid certificate and no bootstrap token ({bootstrap} is missing)",
                "make up on the control plane's machine makes one",
            )
        log.info("joining", host=self._name, bootstrap=str(bootstrap))
        await self._obtain(bootstrap)
        log.info("joined", host=self._name)

    async def keep_renewed(self) -> None:
        """Until cancelled: renew before the certificate ends. Failures are logged and tried again."""
        while True:
            certificate = load(self.kubeconfig).certificate_pem or ""
            due_s = renewal_due_s(certificate, datetime.now(UTC))
            if due_s > 0:
                await self._clock.sleep(min(due_s, _LONGEST_SLEEP_S))
                continue
            try:
                await self._obtain(self.kubeconfig)
                log.info("client certificate renewed", host=self._name)
                await self._clock.sleep(_SHORTEST_SLEEP_S)
            except QuantixError as error:
                log.warning("client certificate not renewed", reason=error.reason, error=str(error))
                await self._clock.sleep(retry_s(certificate, datetime.now(UTC)))

    def _has_certificate(self) -> bool:
        if not self.kubeconfig.exists():
            return False
        certificate = load(self.kubeconfig).certificate_pem
        if certificate is None or not usable(certificate, datetime.now(UTC)):
            return False
        named = common_name(certificate)
        if named != HOST_USER_PREFIX + self._name:
            raise PermanentError(
                "WrongHost",
                f"{self.kubeconfig} belongs to {named}, but this host is called {self._name}",
                "start hostd with its former --name, or remove that file to join anew",
            )
        return True

    async def _obtain(self, kubeconfig: Path) -> None:
        key = await asyncio.to_thread(self._pending_key)
        async with ApiClient.from_kubeconfig(kubeconfig, user_agent=_USER_AGENT) as api:
            certificate = await obtain_certificate(api, as_host(CLIENT, self._name), key, self._clock)
            authority = with_renewed(api.access.ca_pem or "", await published_authority(api))
            own = replace(api.access, ca_pem=authority, certificate_pem=certificate, key_pem=key, token=None)
        await asyncio.to_thread(
            write_atomically, self.kubeconfig, render(own, self._name).encode(), mode=0o600
        )
        await asyncio.to_thread(self._pending_key_path.unlink, missing_ok=True)

    @property
    def _pending_key_path(self) -> Path:
        return self._layout.pki / "client.key.new"

    def _pending_key(self) -> str:
        """The key of a request that is under way, or a new one."""
        path = self._pending_key_path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, new_key().encode(), mode=0o600)
        return path.read_text()
