"""Transcripts in the pages of docs/: what is typed, and what is answered, as one compares it with a real run.

A fenced block marked `console` holds commands after `$ ` and, below each, its output; what is marked
otherwise is only read. In output `…` stands for anything. Times, addresses, sums and the width of columns are
examples; an address that an output names stands for the real one from then on. A wait that `qx` tells on a
busy machine ("hello: box is restarting it.") may stand in the output and not on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_BLOCK = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TYPED = "console"
_PROMPT = "$ "
_HERE_DOCUMENT = re.compile(r"<<-?'?(\w+)'?")
_ADDRESS = r"\d{1,3}(?:\.\d{1,3}){3}"
_EXAMPLES = (
    # an age or a duration: 12m, 3 h, 6.4 s, 1 m 04 s
    r"\b\d+(?:\.\d+)? ?(?:ms|s|m|min|h|d)\b(?: \d+ s\b)?",
    # a sum
    r"\b[0-9a-f]{12,64}\b",
)
_WAIT = re.compile(r"^[a-z0-9.-]+: \S.* (?:is|was|has|had|are|were) .*\.$")
_VARIABLE = re.compile(
    "|".join((f"(?P<address>{_ADDRESS})", "(?P<any>…)", f"(?P<example>{'|'.join(_EXAMPLES)})"))
)


@dataclass(frozen=True)
class Exchange:
    """One command and the output that the page shows, "" where it shows none."""

    command: str
    shown: str


def exchanges(page: str) -> Iterator[Exchange]:
    """The commands in those blocks of a page that are typed, in its order.

    Raises ValueError for a block that begins with output.
    """
    for mark, block in _BLOCK.findall(page):
        if mark == _TYPED:
            yield from _exchanges_of(block.splitlines())


def _exchanges_of(lines: list[str]) -> Iterator[Exchange]:
    rest = list(lines)
    while rest:
        line = rest.pop(0)
        if not line.startswith(_PROMPT):
            raise ValueError(f"a block begins with output: {line}")
        command = [line.removeprefix(_PROMPT)]
        here = _HERE_DOCUMENT.search(line)
        while rest and (command[-1] != here[1] if here else command[-1].endswith("\\")):
            command.append(rest.pop(0))
        shown = []
        while rest and not rest[0].startswith(_PROMPT):
            shown.append(rest.pop(0))
        yield Exchange("\n".join(command), "\n".join(shown))


class Comparison:
    """Compares outputs with those shown, and knows which real address each address of the page stands for."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}

    def real(self, command: str) -> str:
        """The command with the addresses that are known by now."""
        return re.sub(_ADDRESS, lambda found: self.addresses.get(found[0], found[0]), command)

    def fits(self, shown: str, output: str) -> bool:
        """Whether `output` is what the page shows, where it shows any; its addresses are learnt."""
        if not shown:
            return True
        pattern, names = _pattern(shown, self.addresses)
        said, wanted = _folded(output), _folded(shown).splitlines()
        without_waits = "\n".join(
            line for line in said.splitlines() if line in wanted or not _WAIT.match(line)
        )
        candidates = (re.fullmatch(pattern, text, re.DOTALL) for text in (said, without_waits))
        found = next(filter(None, candidates), None)
        if found is None:
            return False
        self.addresses |= {name: found[group] for group, name in names.items()}
        return True


def _folded(text: str) -> str:
    """Without what the width of columns and lines makes different."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def _pattern(shown: str, known: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A regular expression, and the address of the page that each of its groups stands for."""
    parts, names, text, end = [], {}, _folded(shown), 0
    groups: dict[str, str] = {}
    for found in _VARIABLE.finditer(text):
        parts.append(re.escape(text[end : found.start()]))
        end = found.end()
        address = found["address"]
        if found["any"]:
            parts.append(".*")
        elif found["example"]:
            parts.append(f"(?:{'|'.join(_EXAMPLES)})")
        elif address in known:
            parts.append(re.escape(known[address]))
        elif address in groups:
            parts.append(f"(?P={groups[address]})")
        else:
            groups[address] = f"address{len(groups)}"
            names[groups[address]] = address
            parts.append(f"(?P<{groups[address]}>{_ADDRESS})")
    return "".join((*parts, re.escape(text[end:]))), names
