"""Ends hostd right before one of its outside effects, as kill -9 would. For tests of crash safety."""

from __future__ import annotations

import sys
from typing import Any


class HostdKilledError(BaseException):
    """The end of hostd, with no clean-up."""


class Mortality:
    """Lets hostd die right before its n-th call of a client that changes something outside."""

    _EFFECTS = frozenset(
        {
            "define",
            "create_paused",
            "resume",
            "suspend",
            "shutdown",
            "reset",
            "destroy",
            "undefine",
            "save",
            "clear_events",
            "compare_and_set",
            "set_owner",
            "remove",
            "prepare",
            "apply",
            "make_copy",
            "copy_disk",
            "switch_to_copy",
            "drop_copy",
            "take_moment",
            "restore_paused",
            "stop_disks_copy",
            "thaw",
            "forget",
            "forget_memory",
            "make_blank",
            "keep_idle",
            "begin_rest",
            "keep_state",
            "publish",
            "remove_rest",
            "put_back",
            "switch_back",
        }
    )

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.struck = False
        """Whether it died: what it did in the background dies unheard."""

    def guard(self, client: Any) -> Any:
        return _Mortal(client, self)

    def count(self, name: str) -> None:
        if name in self._EFFECTS:
            if self.left == 0:
                self.struck = True
                raise HostdKilledError
            self.left -= 1


class DeathAfter(Mortality):
    """Lets hostd die right before the next effect after the call of this name."""

    def __init__(self, call: str) -> None:
        super().__init__(sys.maxsize)
        self._call = call

    def count(self, name: str) -> None:
        super().count(name)
        if name == self._call:
            self.left = 0


class _Mortal:
    def __init__(self, client: Any, mortality: Mortality) -> None:
        self._client = client
        self._mortality = mortality

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._mortality.count(name)
            return found(*arguments, **options)

        return call
