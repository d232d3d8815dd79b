"""What aiohttp logs of requests: what is no HTTP, which anybody may send, is worth one line, no traceback.

Used by `server`. A traceback is left to errors that are bugs of ours.
"""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

_SENDERS_FAULT = (HttpProcessingError, web.RequestPayloadError)
_SHOWN_CHARACTERS = 120


def request_logger() -> logging.Logger:
    """The logger for `web.AppRunner`."""
    logger = logging.getLogger(__name__)
    # the same function is added once only
    logger.addFilter(_shorten)
    return logger


def _shorten(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, _SENDERS_FAULT):
        words = " ".join(str(error).split())[:_SHOWN_CHARACTERS]
        record.msg, record.args = "%s Said: %s", (record.getMessage(), words)
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return True
