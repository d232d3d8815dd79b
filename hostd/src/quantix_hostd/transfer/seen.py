"""A transfer as the plans of images and volumes see it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from quantix_api.errors import QuantixError

R = TypeVar("R")


@dataclass(frozen=True)
class TransferSeen(Generic[R]):
    """A transfer as it was at a moment. `shown`: bytes done and in all, as reported or at its failure.

    `received` is what came of it. `queued`: it waits for its turn; `sender`: the host that it comes from, and
    `busy`: those that have no turn for it, as messages call them. After a failure `retry_in_s` is what is
    left of `delay_s` (0: due), None when another try is no use.
    """

    running: bool = False
    queued: bool = False
    sender: str = ""
    busy: str = ""
    shown: tuple[int, int | None] = (0, None)
    received: R | None = None
    error: QuantixError | None = None
    delay_s: float = 0.0
    retry_in_s: float | None = 0.0
