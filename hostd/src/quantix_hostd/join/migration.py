"""What QEMU shows, and whom it trusts, when a guest moves to another host: files in `layout.migration_pki`.

Run by `assembly`. QEMU's own user reads them, so they are for this alone: the certificate names no user of
the API, and an escaped guest gets no more with it than to send and to receive guests. Names of the files:
QEMU's docs/system/tls.rst (7.2), both sides of `tls-creds-x509`; they count from the next migration on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quantix_api.errors import QuantixError
from quantix_api.layout import Layout
from quantix_api.resources import MIGRATION_PREFIX
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_hostd.clients.files import FileOwner, explained, write_atomically
from quantix_hostd.join.kept import KeptCertificate
from quantix_hostd.join.requests import MIGRATION, Wanted
from quantix_hostd.join.trust import published_host_authority

_AUTHORITY = "ca-cert.pem"
_SIDES = ("server", "client")


class MigrationTrust:
    """`names` are this host's name and address, by which the source knows it; `owner`: of QEMU's group."""

    def __init__(
        self, layout: Layout, host: str, names: Callable[[], tuple[str, ...]], owner: FileOwner, clock: Clock
    ) -> None:
        self._folder = layout.migration_pki
        self._host = host
        self._names = names
        self._owner = owner
        self._kept = KeptCertificate(layout.pki / "migration.crt", layout.pki / "migration.key", clock)
        self.ready = False

    async def run(self, api: ApiClient) -> None:
        """Until cancelled: keep the files good. Failures are logged and tried again."""

        async def step() -> float:
            authority = await published_host_authority(api)
            wanted = Wanted(MIGRATION, self._host, MIGRATION_PREFIX + self._host, self._names())
            return await self._kept.ensure(api, wanted, lambda: self._show(authority), authority)

        await self._kept.keep(step, self._failed)

    async def _show(self, authority: str) -> None:
        try:
            await asyncio.to_thread(self._write, authority)
        except OSError as error:
            raise explained(error, str(self._folder)) from error
        self.ready = True

    def _write(self, authority: str) -> None:
        """The key first, as where they are kept; of both sides the same pair."""
        self._folder.mkdir(parents=True, exist_ok=True)
        certificate, key = self._kept.certificate.read_bytes(), self._kept.key.read_bytes()
        wanted = {_AUTHORITY: authority.encode()}
        wanted |= {f"{side}-key.pem": key for side in _SIDES}
        wanted |= {f"{side}-cert.pem": certificate for side in _SIDES}
        for name, content in wanted.items():
            path = self._folder / name
            if not path.exists() or path.read_bytes() != content:
                write_atomically(path, content, mode=0o440, owner=self._owner)

    def _failed(self, error: QuantixError) -> None:
        """It is logged; what was good goes on being shown."""
