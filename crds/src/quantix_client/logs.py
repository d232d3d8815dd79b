"""Structured logs, the same in every process: one line an event, secrets blotted out.

Called once by each `main`; everything else only does `structlog.get_logger(__name__)`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_SECRET_NAMES = re.compile(
    r"(?i)(token|secret|password|passphrase|private_?key|key_pem|authorization|user_?data)"
)
_SECRET_TEXT = re.compile(
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"
    r"|(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|\b[a-z0-9]{6}\.[a-z0-9]{16}\b"
)
_BLOT = "[redacted]"


def configure_logging(*, json: bool, level: int = logging.INFO) -> None:
    """Send structlog and the standard library's loggers to stdout, as JSON lines or for a person's eyes."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out values under names of secrets, and text that looks like one, at any depth."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {inner: _redacted(str(inner), member) for inner, member in value.items()}
    if name != "event" and _SECRET_NAMES.search(name) and value not in (None, ""):
        return _BLOT
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_BLOT, value)
    if isinstance(value, list | tuple):
        return [_redacted(name, member) for member in value]
    return value
