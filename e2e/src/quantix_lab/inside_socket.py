"""Connections from inside a network namespace for who stands outside, without a process for each."""

from __future__ import annotations

import ctypes
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_NETWORK_NAMESPACE = 0x40000000
"""CLONE_NEWNET of setns(2), which the os module has from Python 3.12 on."""


def connect_inside(namespace: str, host: str, port: int, timeout_s: float) -> socket.socket:
    """A TCP connection made in a namespace of ip-netns(8); `timeout_s` is for each call on it, too.

    Raises OSError.
    """

    def connect() -> socket.socket:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/run/netns", namespace).open() as there:
            if libc.setns(there.fileno(), _NETWORK_NAMESPACE) != 0:
                raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")
        return socket.create_connection((host, port), timeout_s)

    # the thread that enters the namespace ends there
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(connect).result()
