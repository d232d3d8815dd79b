"""A test's event loop ends once the connections are closed that were closed in it, also those by TLS."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from quantix_lab.patient_loop import PatientLoop

_SLOW_S = 0.2


def nameless(side: ssl._SSLMethod) -> ssl.SSLContext:
    """TLS without certificates."""
    context = ssl.SSLContext(side)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
    return context


@pytest.mark.parametrize(("loop_of", "warns"), [(PatientLoop, False), (asyncio.SelectorEventLoop, True)])
def test_a_good_bye_that_is_answered_late_leaves_no_warning(
    monkeypatch: pytest.MonkeyPatch, loop_of: Callable[[], asyncio.AbstractEventLoop], warns: bool
) -> None:
    left = threading.Event()

    def answer_late() -> None:
        accepted = nameless(ssl.PROTOCOL_TLS_SERVER).wrap_socket(door.accept()[0], server_side=True)
        left.wait(_SLOW_S)
        accepted.close()

    async def hang_up() -> None:
        client = nameless(ssl.PROTOCOL_TLS_CLIENT)
        _, writer = await asyncio.open_connection("127.0.0.1", door.getsockname()[1], ssl=client)
        writer.close()

    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(20)  # a client that never comes would keep `join` waiting for ever
        server = threading.Thread(target=answer_late)
        server.start()
        with asyncio.Runner(loop_factory=loop_of) as runner:
            runner.run(hang_up())
        left.set()
        server.join()
    gc.collect()
    assert bool(told) == warns
