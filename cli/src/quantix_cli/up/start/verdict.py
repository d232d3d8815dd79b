"""What `make up` says at its end about VMs that are not as they are declared. Pure.

A VM that waits is no failure of `make up`, and no success to keep quiet about either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quantix_api.quantities import counted
from quantix_api.state import state_word
from quantix_cli.naming import reference
from quantix_cli.nouns import NOUNS, reason

NAMESPACE = "default"
_NAMED = 3
# colours of states in which nobody but a person brings what is missing
_TROUBLE = ("red", "yellow")


@dataclass(frozen=True)
class Trouble:
    """One VM that waits, has failed or is not heard of; `why` is REASON: MESSAGE, `mend` what ends it where
    that is known.
    """

    namespace: str
    name: str
    word: str
    why: str
    mend: str = ""

    @property
    def shown(self) -> str:
        return self.name if self.namespace == NAMESPACE else f"{self.namespace}/{self.name}"

    @property
    def command(self) -> str:
        """The command that mends it, or else explains it."""
        if self.mend:
            return self.mend
        metadata = {"name": self.name, "namespace": self.namespace}
        return f"qx vm explain {reference({'metadata': metadata}, 'vm', NAMESPACE)}"


def trouble_of(vm: dict[str, Any]) -> Trouble | None:
    """What keeps this VM from being as declared; None while nothing does, or the platform is at work."""
    state = state_word(vm)
    if state.colour not in _TROUBLE:
        return None
    metadata = vm["metadata"]
    return Trouble(metadata["namespace"], metadata["name"], state.word, reason(vm, NOUNS["vm"]))


def sentences(troubles: Sequence[Trouble]) -> list[str]:
    """`1 VM waits: web-1, NotEnoughMemory: No host has 64 GiB free.` A sentence a state, three names each."""
    said = []
    for word in dict.fromkeys(trouble.word for trouble in troubles):
        those = [trouble for trouble in troubles if trouble.word == word]
        named = "; ".join(f"{one.shown}, {one.why}" if one.why else one.shown for one in those[:_NAMED])
        more = f"; and {len(those) - _NAMED} more" if len(those) > _NAMED else ""
        said.append(f"{_subject(len(those), word)}: {named}{more}.")
    return said


def _subject(count: int, word: str) -> str:
    if word == "Waiting":
        return f"{counted(count, 'VM')} {'waits' if count == 1 else 'wait'}"
    return f"{counted(count, 'VM')} {'is' if count == 1 else 'are'} {word}"
