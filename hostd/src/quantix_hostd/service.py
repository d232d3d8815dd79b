"""hostd's table of contents: settings → identity → clients → controllers → queues → API → lease.

One process a root. Its end, or that of any part of it, stops no guest: whoever supervises it starts it
anew, and it finds everything again.
"""

from __future__ import annotations

import asyncio
import faulthandler
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import IO

import structlog

from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_client.api import ApiClient
from quantix_client.clock import SystemClock
from quantix_client.lease import HostLease
from quantix_client.logs import configure_logging
from quantix_client.server_names import ServerNames
from quantix_hostd.assembly import Hostd
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.cluster import read_address_rules
from quantix_hostd.host.metrics import HostdMetrics
from quantix_hostd.join.identity import HostIdentity
from quantix_hostd.settings import Settings, parse

_RETRY_S = 2.0
# Python's own number on two CPUs is six: what hangs on one pool would keep all of hostd waiting
_AT_ONCE = 64
# for all that ends in order, as a moment in which a guest stands still; its supervisor kills after 30 s
_STOP_S = 25.0
# for threads that nothing waits for any more
_THREADS_S = 5.0
# sysexits(3) EX_CONFIG: starting again is no use until somebody changes something
EXIT_CONFIG = 78

log = structlog.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Join if need be, then run until cancelled or until a part ends that must not."""
    clock, metrics = SystemClock(), HostdMetrics()
    identity = HostIdentity(settings.layout, settings.name, clock)
    await patiently("join", identity.ensure)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            ApiClient.from_kubeconfig(
                identity.kubeconfig, user_agent="quantix-hostd", on_answer=metrics.requests
            )
        )
        source = HttpSource(partial(read_address_rules, api, ServerNames()))
        hostd = Hostd(settings, api, source, clock, metrics)
        await patiently("start", hostd.prepare)
        stack.push_async_callback(hostd.close)
        lease = HostLease(api, settings.name, hostd.machine.boot_id, clock=clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(identity.keep_renewed(), name="identity")
            group.create_task(hostd.run(), name="hostd")
            group.create_task(lease.run(hostd.pulse.alive), name="lease")


async def patiently(what: str, step: Callable[[], Awaitable[None]]) -> None:
    """Try again until it succeeds; only a PermanentError ends it."""
    while True:
        try:
            await step()
            return
        except TransientError as error:
            log.warning("waiting", step=what, reason=error.reason, error=str(error))
            await asyncio.sleep(_RETRY_S)


def hold_root(settings: Settings) -> IO[str]:
    """Keep a second hostd off this root for as long as the file stays open.

    Raises PermanentError (AlreadyRunning).
    """
    settings.layout.data.mkdir(parents=True, exist_ok=True)
    file = (settings.layout.data / "hostd.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        pid = file.read().strip() or "unknown"
        raise PermanentError(
            "AlreadyRunning",
            f"Another hostd runs on {settings.layout.root} already (pid {pid})",
            "stop that one first, or give this one another --root",
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


async def run_until_stopped(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT (0); 1 when it should be started anew, 78 when that is no use."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hostd"))
    running = asyncio.create_task(serve(settings), name="serve")

    def stop() -> None:
        end_within(_STOP_S, 0)
        running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await running
    except asyncio.CancelledError:
        log.info("hostd stopped; guests run on")
        return 0
    except PermanentError as error:
        return explain([error])
    except ExceptionGroup as group:
        return explain(leaves(group))
    return 1


def end_within(seconds: float, code: int) -> None:
    """End the process after that time where it has not ended by itself. What a disk, a QEMU or Ceph never
    answers keeps a thread, and neither Python nor who waits for it would let go of that one.
    """

    def end() -> None:
        time.sleep(seconds)
        log.warning("hostd ends beside threads that do not", waited_s=seconds)
        # which ones, and where they are
        faulthandler.dump_traceback()
        sys.stdout.flush()
        os._exit(code)

    threading.Thread(target=end, name="end", daemon=True).start()


def leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    """The exceptions in a group, however deep."""
    found: list[Exception] = []
    for error in group.exceptions:
        found.extend(leaves(error) if isinstance(error, ExceptionGroup) else [error])
    return found


def explain(errors: Sequence[Exception]) -> int:
    """Say why hostd ends; the exit code that goes with it."""
    for error in errors:
        if isinstance(error, QuantixError):
            log.error("hostd ends", reason=error.reason, error=str(error))
        else:
            log.error("hostd ends, to be started anew", exc_info=error)
    return EXIT_CONFIG if all(isinstance(error, PermanentError) for error in errors) else 1


async def _ended(settings: Settings) -> int:
    code = await run_until_stopped(settings)
    end_within(_THREADS_S, code)
    return code


def main(arguments: Sequence[str] | None = None) -> None:
    """Entrance of `quantix-hostd`. Exit codes: 0 stopped, 1 start anew, 2 wrong flags, 78 needs a hand."""
    settings = parse(sys.argv[1:] if arguments is None else arguments)
    configure_logging(json=settings.json_logs)
    # what each thread did when code of libvirt or Ceph crashes: nothing else would tell
    faulthandler.enable()
    try:
        with hold_root(settings):
            code = asyncio.run(_ended(settings))
    except QuantixError as error:
        code = explain([error])
    sys.exit(code)
