"""How this host and OVN's databases know each other: key, certificate and authority below `layout.pki`.

Run by `assembly` when hostd is told to. The certificate's common name is the UID of the Host, which is its
chassis' name (system-id): the southbound database lets a chassis change what is its own by that
(ovn-architecture(7), "RBAC"). Where the southbound database is reached by TLS, Open vSwitch is told of the
files; ovn-controller reads them there, and again when they change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from quantix_api.errors import PermanentError, QuantixError
from quantix_api.layout import Layout
from quantix_api.messages import as_error, message_of, render
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_hostd.clients.files import explained, write_atomically
from quantix_hostd.clients.ovs import OvsClient
from quantix_hostd.facts.switch import OWNER_KEY, TlsFiles
from quantix_hostd.join.kept import KeptCertificate, utc_now
from quantix_hostd.join.requests import OVN, Wanted, ends_at
from quantix_hostd.join.trust import published_host_authority

_WAITS = "the certificate that it asked for is not signed yet"


@dataclass(frozen=True)
class Chassis:
    """The host as OVN knows it; `uid` is that of its Host, "" while that is not known."""

    host: str
    uid: Callable[[], str]


class OvnTrust:
    """`switch` is the Open vSwitch that is told of the files, None where no TLS is spoken with them.
    `changed` is called when `problem` may be another.
    """

    def __init__(
        self,
        layout: Layout,
        chassis: Chassis,
        switch: OvsClient | None,
        clock: Clock,
        changed: Callable[[], None],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._layout = layout
        self._chassis = chassis
        self._switch = switch
        self._changed = changed
        self._kept = KeptCertificate(layout.ovn_certificate, layout.ovn_key, clock, now)
        self._now = now
        self._good_until = 0.0
        self._failure: QuantixError | None = None

    async def run(self, api: ApiClient) -> None:
        """Until cancelled. Failures are logged, tried again, and told by `problem`."""
        await self._kept.keep(partial(self._step, api), self._failed)

    def problem(self) -> tuple[str, str] | None:
        """(reason, message) while the southbound database cannot be reached for want of a certificate."""
        if self._switch is None or self._now().timestamp() < self._good_until:
            return None
        if self._failure is not None and self._failure.reason == "OVNAlreadyConfigured":
            return self._failure.reason, message_of(self._failure)
        said = self._failure.message.rstrip(".") if self._failure is not None else _WAITS
        text = render("SouthboundUnreachable", host=self._chassis.host, said=said).text
        return "SouthboundUnreachable", text

    async def _step(self, api: ApiClient) -> float:
        uid = self._chassis.uid()
        if not uid:
            return 0.0
        authority = await published_host_authority(api)
        try:
            await asyncio.to_thread(self._store_authority, authority)
        except OSError as error:
            raise explained(error, str(self._layout.ovn_authority)) from error
        return await self._kept.ensure(api, Wanted(OVN, self._chassis.host, uid), self._use, authority)

    async def _use(self) -> None:
        if self._switch is not None:
            await self._tell(self._switch, self._chassis.uid())
        pem = await asyncio.to_thread(self._kept.certificate.read_text)
        self._note(ends_at(pem), None)

    async def _tell(self, switch: OvsClient, uid: str) -> None:
        """Raises PermanentError (OVNAlreadyConfigured) when it has another's files, TransientError."""
        layout = self._layout
        files = TlsFiles(*map(str, (layout.ovn_key, layout.ovn_certificate, layout.ovn_authority)))
        found = await switch.tls()
        if found is not None and OWNER_KEY not in found.external_ids:
            raise as_error(PermanentError, "OVNAlreadyConfigured", remote=found.files.certificate)
        if found is None or found.files != files:
            await switch.set_ssl(files, {OWNER_KEY: uid})

    def _failed(self, error: QuantixError) -> None:
        self._note(self._good_until, error)

    def _note(self, good_until: float, failure: QuantixError | None) -> None:
        before = self.problem()
        self._good_until, self._failure = good_until, failure
        if self.problem() != before:
            self._changed()

    def _store_authority(self, pem: str) -> None:
        """As the cluster publishes it: of another key, too, and then a certificate by that follows."""
        path = self._layout.ovn_authority
        if not path.exists() or path.read_text() != pem:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, pem.encode(), mode=0o644)
