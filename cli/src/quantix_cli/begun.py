"""What a command has begun in the cluster, so that an interrupted one can say what goes on and how to look.

Filled by `writing`, told by `options`. Work that `qx` does itself, such as sending a file, ends with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from quantix_api.errors import QuantixError
from quantix_api.resources import Resource
from quantix_cli.exits import Interrupted
from quantix_cli.naming import reference
from quantix_cli.nouns import NOUNS, Manifest


class Begun:
    """The objects that one command has written to. `instead` is what an interrupted one says where its own
    work is what ended: what is kept, and how to go on. `namespace` is the command's, None for all of them.
    """

    def __init__(self) -> None:
        self._written: list[tuple[str, Manifest]] = []
        self.instead = ""
        self.namespace: str | None = None

    @contextmanager
    def writing(self, resource: Resource, obj: Manifest) -> Iterator[None]:
        """Around the request: one that is interrupted may have arrived, one that was refused has not begun
        anything.
        """
        entry = (next((word for word, noun in NOUNS.items() if noun.resource is resource), ""), obj)
        self._written.append(entry)
        try:
            yield
        except QuantixError:
            self._written.remove(entry)
            raise

    def interrupted(self) -> Interrupted | None:
        """What there is to say of it; None: nothing was begun."""
        if self.instead:
            return Interrupted(self.instead)
        if not self._written:
            return None
        # first comes what was asked for, then what goes with it
        word = next((word for word, _ in self._written if word), "")
        named = {reference(obj, word, self.namespace) for noun, obj in self._written if noun == word}
        look = f"qx {word} explain {named.pop()}" if len(named) == 1 else f"qx {word} list"
        return Interrupted("Stopped watching; what was begun goes on in the cluster.", look if word else "")
