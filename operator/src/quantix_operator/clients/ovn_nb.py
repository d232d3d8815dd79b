"""The operator's only way to OVN's northbound database.

Used by the controllers of network, router, securitygroup and nics from the event loop. ovsdbapp runs the
replica in a thread of its own; one worker thread of ours feeds it, one transaction at a time, and every call
has a deadline. What a row means is not known here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from ovsdbapp import exceptions
from ovsdbapp.backend.ovs_idl import connection, transaction

from quantix_api.errors import QuantixError
from quantix_operator.clients.ovn_nb_call import Deadline, Wanted
from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable, StaleObservation, translated
from quantix_operator.clients.ovn_nb_idl import (
    LOCK,
    TABLES,
    NorthboundIdl,
    Touched,
    normal_form,
)
from quantix_operator.clients.ovn_nb_operations import ApplyOperations
from quantix_operator.northbound.capabilities import Capabilities, parse_capabilities
from quantix_operator.northbound.diff import batches, plan_rows
from quantix_operator.northbound.rows import (
    DesiredRow,
    Observed,
    ObservedRow,
    Operation,
    RowRef,
    SharedKeys,
    referred_rows,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

TransactionHook = Callable[[str, int, float], None]

DATABASE = "OVN_Northbound"
RECONNECT_S = 1.0
FIRST_CONNECTION_S = 2.0
ATTEMPTS = 4


@dataclass(frozen=True)
class _Api:
    """What a transaction of ovsdbapp needs. Its own API class keeps the connection in a class attribute, so
    that a second instance in a process would talk to the first database.
    """

    idl: NorthboundIdl


class Northbound:
    """One connection to the northbound database at `remote`, for the cluster with this UID."""

    def __init__(
        self,
        remote: str,
        cluster_uid: str,
        *,
        deadline_s: float = 10.0,
        on_transaction: TransactionHook | None = None,
    ) -> None:
        """`on_transaction(outcome, operations, seconds)` is told of each transaction, in any thread; the
        outcome is `committed` or the reason of the error.
        """
        self._remote = remote
        self._cluster_uid = cluster_uid
        self._deadline_s = deadline_s
        self._on_transaction = on_transaction
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="northbound")
        self._replica: NorthboundIdl | None = None
        self._connection: Any = None
        self._listeners: list[Touched] = []
        self.connected = asyncio.Event()

    @property
    def cluster_uid(self) -> str:
        """The cluster whose rows are ours."""
        return self._cluster_uid

    def subscribe(self, listener: Touched) -> None:
        """Call `listener(kind, name)` in the event loop when somebody else changed or removed rows of that
        object, and `listener("", "")` after each full dump, when everything has to be compared again.
        """
        self._listeners.append(listener)

    async def run(self) -> None:
        """Connect, and stay connected until cancelled; `connected` is set after the first full dump."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                if await loop.run_in_executor(self._worker, self._connect, loop):
                    break
                await asyncio.sleep(RECONNECT_S)
            self.connected.set()
            await loop.create_future()
        finally:
            self.connected.clear()
            # Without the worker: it may hang in a call, and the process is on its way out
            await asyncio.shield(loop.run_in_executor(None, self._close))

    async def converge(
        self,
        owner_uid: str,
        desired: Sequence[DesiredRow],
        shared: Sequence[SharedKeys] = (),
        *,
        keep: Sequence[RowRef] = (),
    ) -> int:
        """Make the rows of one owner as desired, in one transaction (more above 500 rows); returns how many
        operations that took, 0 when nothing differed. Rows of the owner in `keep` stay as they are.

        Raises WaitingError (Programming) when a row that is referred to is missing, NorthboundUnreachable,
        StaleObservation when the database kept changing, and InvariantError for values that it cannot hold.
        """
        wanted = Wanted(owner_uid, desired, shared, keep)
        return await self._call(lambda deadline: self._converge(wanted, deadline))

    async def observe(self, owner_uid: str, wanted: Sequence[RowRef] = ()) -> Observed:
        """The rows of one owner, those of `wanted` and, in `known`, which of `wanted` exist."""
        return await self._read(lambda replica: replica.observe(owner_uid, wanted, wanted))

    async def owners(self) -> dict[str, int]:
        """How many rows each owner has."""
        return await self._read(lambda replica: replica.owners())

    async def ports(self, kind: str) -> list[ObservedRow]:
        """All switch ports of ours that were made for objects of this kind."""
        return await self._read(lambda replica: replica.ports_of(kind))

    async def translated_to(self, target_uid: str) -> frozenset[str]:
        """The addresses of an object (its UID) that floating IPs lead to now. What was asked of the database
        before is done by then.
        """
        return await self._read(lambda replica: replica.translated_to(target_uid))

    async def count(self) -> tuple[int, int]:
        """How many rows are ours, and how many are not."""
        return await self._read(lambda replica: replica.count())

    async def capabilities(self) -> Capabilities:
        """What the running northd can do."""

        def read(replica: NorthboundIdl) -> Capabilities:
            options = normal_form(_global_row(replica)._data["options"])
            version = options.get("northd_internal_version", "") if isinstance(options, dict) else ""
            return parse_capabilities(version)

        return await self._read(read)

    async def global_ref(self) -> RowRef:
        """The one row of NB_Global."""
        return await self._read(lambda replica: RowRef("NB_Global", _global_row(replica).uuid))

    async def _call(self, work: Callable[[Deadline], T]) -> T:
        if not self.connected.is_set():
            # The first connection takes a moment, which is no news for anybody
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_CONNECTION_S):
                    await self.connected.wait()
        deadline = Deadline(self._deadline_s)
        future = asyncio.get_running_loop().run_in_executor(self._worker, work, deadline)
        try:
            async with asyncio.timeout(self._deadline_s + 0.5):
                return await future
        except TimeoutError as silent:
            raise NorthboundUnreachable("no answer in time") from silent

    async def _read(self, read: Callable[[NorthboundIdl], T]) -> T:
        return await self._call(lambda deadline: self._locked(read, deadline))

    def _locked(self, read: Callable[[NorthboundIdl], T], deadline: Deadline) -> T:
        replica = self._ready()
        if not self._connection.lock.acquire(timeout=deadline.remaining_s()):
            raise NorthboundUnreachable("a transaction is not answered")
        try:
            return read(replica)
        finally:
            self._connection.lock.release()

    def _ready(self) -> NorthboundIdl:
        replica = self._replica
        if replica is None or not replica.monitoring:
            raise NorthboundUnreachable("not connected")
        return replica

    def _converge(self, wanted: Wanted, deadline: Deadline) -> int:
        refs = [row.ref for row in wanted.rows]
        referred = [ref for row in wanted.rows for ref in referred_rows(row)]
        for attempt in range(1, ATTEMPTS + 1):
            observed = self._locked(
                lambda replica: replica.observe(wanted.owner_uid, refs, referred), deadline
            )
            operations: list[Operation | SharedKeys] = [
                *plan_rows(wanted.owner_uid, wanted.rows, observed, wanted.keep)
            ]
            operations += self._locked(lambda replica: replica.missing_keys(wanted.shared), deadline)
            try:
                for batch in batches(operations):
                    self._transact(batch, deadline)
            except StaleObservation as stale:
                if attempt == ATTEMPTS:
                    raise
                log.debug("planning again", owner=wanted.owner_uid, cause=stale.message)
            else:
                return len(operations)
        raise AssertionError("unreachable")

    def _transact(self, operations: Sequence[Operation | SharedKeys], deadline: Deadline) -> None:
        began_s, outcome = time.monotonic(), "committed"
        try:
            self._commit(operations, deadline)
        except QuantixError as error:
            outcome = error.reason
            raise
        finally:
            if self._on_transaction is not None:
                self._on_transaction(outcome, len(operations), time.monotonic() - began_s)

    def _commit(self, operations: Sequence[Operation | SharedKeys], deadline: Deadline) -> None:
        replica = self._ready()
        api = _Api(replica)
        apply = ApplyOperations(api, replica, operations)
        txn = transaction.Transaction(
            api, self._connection, deadline.remaining_s(), check_error=True, log_errors=False
        )
        txn.add(apply)
        replica.own_change = True
        try:
            txn.commit()
        except exceptions.TimeoutException as late:
            # It stays queued: given up, it aborts when its turn comes
            apply.abandoned = True
            raise NorthboundUnreachable("a transaction is not answered") from late
        except QuantixError:
            raise
        except RuntimeError as refused:
            raise translated(str(refused)) from refused
        finally:
            replica.own_change = False

    def _connect(self, loop: asyncio.AbstractEventLoop) -> bool:
        try:
            replica = NorthboundIdl.from_server(self._remote, DATABASE, helper_tables=TABLES)
        except Exception as refused:  # ovsdbapp raises no narrower class
            log.info("network database is not there yet", remote=self._remote, cause=str(refused))
            return False
        replica.cluster = self._cluster_uid
        replica.on_touched = lambda kind, name: self._touched(loop, kind, name)
        replica.set_lock(LOCK)
        link = connection.Connection(replica, timeout=self._deadline_s)
        try:
            link.start()
        except exceptions.TimeoutException as silent:
            log.info("network database does not answer", remote=self._remote, cause=str(silent))
            replica.close()
            return False
        self._replica, self._connection = replica, link
        return True

    def _touched(self, loop: asyncio.AbstractEventLoop, kind: str, name: str) -> None:
        # The loop may be closed while the thread still receives
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._tell, kind, name)

    def _tell(self, kind: str, name: str) -> None:
        for listener in self._listeners:
            listener(kind, name)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.stop(timeout=2)
        self._replica = None
        self._worker.shutdown(wait=False, cancel_futures=True)


def _global_row(replica: NorthboundIdl) -> Any:
    for row in replica.tables["NB_Global"].rows.values():
        return row
    raise NorthboundUnreachable("it was not initialized (ovn-nbctl init)")
