"""How long the example's trouble is waited for before it is reported instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quantix_api.conditions import condition_of
from quantix_cli.ending import end_of
from quantix_cli.up.start.verdict import Trouble, trouble_of
from quantix_cli.waiting import NO_PLACE_S, has_no_place


class Patience:
    """Looks at one VM again and again. `patience_s`: how long one and the same trouble is taken for work that
    goes on; None for a VM that was just made, whose waits end as those of `qx vm create` do. `now_s` gives
    seconds.
    """

    def __init__(self, patience_s: float | None, now_s: Callable[[], float]) -> None:
        self._patience_s = patience_s
        self._now_s = now_s
        self._kind: tuple[str, str] | None = None
        self._since_s = 0.0

    def over(self, vm: dict[str, Any]) -> Trouble | None:
        """The trouble of the VM that has lasted too long; None while there is none or it may pass."""
        trouble = trouble_of(vm)
        # not by its message: that tells what is free by then, and changes with other VMs
        kind = (trouble.word, str(condition_of(vm).get("reason"))) if trouble else None
        if kind != self._kind:
            self._kind, self._since_s = kind, self._now_s()
        longest_s = _longest_s(vm) if self._patience_s is None else self._patience_s
        lasted = longest_s is not None and self._now_s() - self._since_s >= longest_s
        return trouble if lasted else None


def _longest_s(vm: dict[str, Any]) -> float | None:
    """How long a VM that was just made may say what it says; None for what ends by itself."""
    generation = vm["metadata"].get("generation", 0)
    if end_of(vm, generation) is not None:
        return 0.0
    return NO_PLACE_S if has_no_place(vm, generation) else None
