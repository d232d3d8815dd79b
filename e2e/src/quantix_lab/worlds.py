"""The worlds that tests of one group share: each is made when it is first asked for, all end with the group.

Used by e2e/tests/conftest.py. What nobody needs any more costs CPU that the tests after it lack: a lab of
three hosts with its Ceph most of all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar, cast

World = TypeVar("World")


class Worlds:
    """Those that are there at this time."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._there: dict[Callable[[], AbstractContextManager[Any]], object] = {}

    def the(self, make: Callable[[], AbstractContextManager[World]]) -> World:
        """What `make` makes, which is called once. Raises what that raises, and is then called anew."""
        if make not in self._there:
            self._there[make] = self._open.enter_context(make())
        return cast(World, self._there[make])

    def end(self) -> None:
        """End all, the last one first. Raises what ending one raises, once all have ended."""
        self._there.clear()
        self._open.close()
