"""The way from `qx` to the operator of this machine: its unix socket, which only root can open.

Used by `qx plan`. It changes nothing and asks for nothing but plans.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from quantix_api.message_text import hint_of, sentence_of
from quantix_cli.exits import CommandError, Exit

_TIMEOUT_S = 30.0
_CODES = {404: Exit.NOT_FOUND, 503: Exit.UNREACHABLE}


def ask_for_plan(socket: Path, *words: str) -> dict[str, Any]:
    """The document of the plan of these words: a question, and a host where it is about one.

    Raises CommandError: not root (4), no such host (5), no operator that leads here (7).
    """
    if socket.exists() and not os.access(socket, os.W_OK):
        said = "Only root asks the operator what would happen."
        raise CommandError(Exit.NOT_ALLOWED, said, f"sudo qx plan {' '.join(words)}")
    return asyncio.run(_ask(socket, words))


async def _ask(socket: Path, words: Sequence[str]) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    url = f"http://operator/v1/plan/{'/'.join(quote(word, safe='') for word in words)}"
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as http,
            http.get(url) as answer,
        ):
            if answer.status == 200:
                document: dict[str, Any] = await answer.json()
                return document
            text = (await answer.text())[:500]
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        said = "No operator answers on this machine: plans are asked for where one runs, on the first host."
        raise CommandError(Exit.UNREACHABLE, said, "qx doctor") from error
    raise CommandError(_CODES.get(answer.status, Exit.FAILED), sentence_of(text), hint_of(text))
