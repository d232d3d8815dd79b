"""libvirt's event loop: libvirtaio in a thread of its own, made safe for calls from every thread.

libvirt takes one event loop a process and uses it from whatever thread makes a call; libvirtaio (12.8) starts
timers and watches on the spot, which does not wake a loop that sleeps: events came seconds late. Here every
change is handed to the loop in the order in which libvirt asked for it. Used by `clients/libvirt.py`.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import libvirt
import libvirtaio

_lock = threading.Lock()
_thread: threading.Thread | None = None


def ensure_event_loop() -> None:
    """Start libvirt's event loop unless it runs; it lives as long as the process."""
    global _thread
    with _lock:
        if _thread is not None:
            return
        # libvirt prints every error to stderr unless told otherwise; the caller gets it as an exception
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        ready = threading.Event()
        _thread = threading.Thread(target=_run, args=(ready,), name="libvirt-events", daemon=True)
        _thread.start()
        ready.wait()


class OrderedAsyncIO(libvirtaio.virEventAsyncIOImpl):  # type: ignore[misc]
    """libvirtaio whose effects all happen in the loop's thread, first asked first done.

    Nothing here waits for the loop: libvirt holds locks that the loop's callbacks take.
    """

    def _add_handle(self, fd: int, event: int, cb: Any, opaque: Any) -> int:
        descriptor = self.descriptors[fd]
        callback = libvirtaio.FDCallback(self, cb, opaque, descriptor=descriptor, event=event)
        self.callbacks[callback.iden] = callback
        self._pending_inc()
        self._later(descriptor.add_handle, callback)
        return int(callback.iden)

    def _update_handle(self, watch: int, event: int) -> None:
        self._later(super()._update_handle, watch, event)

    def _remove_handle(self, watch: int) -> int:
        if watch not in self.callbacks:
            return -1
        self._later(super()._remove_handle, watch)
        return 0

    def _add_timeout(self, timeout: int, cb: Any, opaque: Any) -> int:
        callback = libvirtaio.TimeoutCallback(self, cb, opaque)
        self.callbacks[callback.iden] = callback
        self._pending_inc()
        self._later(callback.update, timeout)
        return int(callback.iden)

    def _update_timeout(self, timer: int, timeout: int) -> None:
        self._later(super()._update_timeout, timer, timeout)

    def _remove_timeout(self, timer: int) -> int:
        if timer not in self.callbacks:
            return -1
        self._later(super()._remove_timeout, timer)
        return 0

    def _later(self, effect: Any, *arguments: Any) -> None:
        self.loop.call_soon_threadsafe(effect, *arguments)


def _run(ready: threading.Event) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    OrderedAsyncIO(loop).register()
    loop.call_soon(ready.set)
    loop.run_forever()
