"""`--watch`: a list that goes on. In place on a terminal, row by row in a pipe, an object a line as json."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sys
import time
from dataclasses import replace
from typing import NoReturn

import structlog

from quantix_api.errors import QuantixError
from quantix_cli import fetch
from quantix_cli.measures import how_long
from quantix_cli.naming import parse_name
from quantix_cli.nouns import Manifest, Noun, World
from quantix_cli.rendering import View, cells, nothing, object_stream, table_lines
from quantix_cli.selection import Selection, matches
from quantix_cli.session import Session
from quantix_client.reflector import Change, Reflector, key_of

# changes that come together are shown together; ages and the silence of hosts are looked at anew as often
_GATHER_S = 0.1
_TICK_S = 2.0


async def watch(session: Session, noun: Noun, selection: Selection, output: str, view: View) -> NoReturn:
    """Show what `selection` means, and every change of it, until interrupted. Raises CommandError as a list
    does when it cannot be begun.
    """
    _, seen = await fetch.selected(session, noun, selection)
    seen = await fetch.with_floating(session, noun, seen)
    copy = _Copy(session, noun, selection)
    show = _Screen(copy, output, view) if session.terminal.is_tty and output in ("table", "wide") else None
    shown = show or _Lines(copy, output, view)
    following = [asyncio.create_task(reflector.run()) for reflector in copy.reflectors]
    try:
        await asyncio.gather(*(reflector.synced.wait() for reflector in copy.reflectors))
        heard_s, away = time.monotonic(), ""
        while True:
            shown.draw(seen, away)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await copy.changed.wait()
                await asyncio.sleep(_GATHER_S)
            copy.changed.clear()
            try:
                seen = await fetch.with_floating(session, noun, await fetch.world(session))
            except QuantixError:
                # what was last known stays, with its age; the reflectors try again by themselves
                away = f"The API has not answered for {how_long(time.monotonic() - heard_s)}."
            else:
                heard_s, away = time.monotonic(), ""
    finally:
        for task in following:
            task.cancel()


class _Copy:
    """What is in the API, followed; `changes` are those that nobody has shown yet."""

    def __init__(self, session: Session, noun: Noun, selection: Selection) -> None:
        # its warnings are for logs, not for the screen of a person
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        self.noun = noun
        self.selection = selection
        self.home = session.namespace if noun.resource.namespaced else None
        self.names = tuple(parse_name(written, noun.word) for written in selection.names)
        self.changed = asyncio.Event()
        self.changes: list[Change] = []
        namespaces = {name.namespace or self.home for name in self.names} or {self.home}
        self.reflectors = [
            Reflector(
                session.api,
                noun.resource,
                namespace=namespace,
                label_selector=selection.labels,
                on_change=self._take,
            )
            for namespace in ({None} if None in namespaces else namespaces)
        ]

    def _take(self, change: Change) -> None:
        self.changes.append(change)
        self.changed.set()

    def objects(self, seen: World) -> list[Manifest]:
        """Those that are meant, in the order of their names."""
        every = [obj for reflector in self.reflectors for obj in reflector.store.values()]
        return fetch.in_order([obj for obj in every if self.is_meant(obj, seen)])

    def is_meant(self, obj: Manifest, seen: World) -> bool:
        named = not self.names or any(matches(obj, name, self.home) for name in self.names)
        return named and fetch.fits(obj, self.selection, seen)

    def taken(self) -> list[Change]:
        """The changes since the last call."""
        taken, self.changes = self.changes, []
        return taken


class _Screen:
    """Redraws the whole table where it stands."""

    def __init__(self, copy: _Copy, output: str, view: View) -> None:
        self._copy = copy
        self._view = view
        self._drawn = 0

    def draw(self, seen: World, away: str) -> None:
        """Show all as it is now; `away` says that it is as it was when the API was last heard."""
        self._copy.taken()
        objects = self._copy.objects(seen)
        lines = table_lines(objects, self._copy.noun, seen, self._view) if objects else []
        room = shutil.get_terminal_size().lines - 3
        if len(lines) > room:
            lines = [*lines[:room], f"and {len(lines) - room} more"]
        lines = lines or [nothing(self._copy.noun)]
        if away:
            lines.append(self._view.terminal.paint(f"{away} This is what was known then.", "yellow"))
        # cursor up, clear to the end of the screen (ECMA-48), in one piece so that nothing flickers
        back = f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""
        sys.stdout.write(back + "".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        self._drawn = len(lines)


class _Lines:
    """Appends a row, or an object, for each change that can be seen."""

    def __init__(self, copy: _Copy, output: str, view: View) -> None:
        self._copy = copy
        self._output = output
        self._view = view
        self._rows: dict[str, list[str]] = {}
        self._begun = False
        self._told = False
        self._away = False

    def draw(self, seen: World, away: str) -> None:
        """Show what has changed; that the API is away, and back, is said once."""
        if bool(away) != self._away:
            self._away = bool(away)
            self._view.terminal.note(away or "The API answers again.")
        taken = self._copy.taken()
        if self._output in ("table", "wide"):
            self._append_rows(taken, seen)
        else:
            for change in taken:
                if change.type != "DELETED" and self._copy.is_meant(change.object, seen):
                    self._view.terminal.out(object_stream(change.object, self._copy.noun, self._output))
        sys.stdout.flush()

    def _append_rows(self, taken: list[Change], seen: World) -> None:
        every, noun = self._copy.objects(seen), self._copy.noun
        if not self._begun:
            self._begun = True
            if not every:
                self._view.terminal.note(nothing(noun))
        new = [obj for obj in every if self._is_news(obj, seen)]
        gone = [c.object for c in taken if c.type == "DELETED" and self._rows.pop(c.key, None) is not None]
        for objects, left in ((new, False), (gone, True)):
            if objects:
                view = replace(self._view, heading=self._view.heading and not self._told)
                for line in table_lines(objects, noun, seen, view, beside=every, left=left):
                    self._view.terminal.out(line)
                self._told = True

    def _is_news(self, obj: Manifest, seen: World) -> bool:
        """Whether its row differs in more than its age, and remember it."""
        row = [cell.text for cell in cells(obj, self._copy.noun, seen, replace(self._view, wide=True))]
        key = key_of(obj)
        known, self._rows[key] = self._rows.get(key), row
        return row != known
