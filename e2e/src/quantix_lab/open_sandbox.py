"""A sandbox that locks nothing up: for tests of other things, which make the files themselves."""

from __future__ import annotations

from quantix_hostd.clients.sandbox import Limits, View


class OpenSandbox:
    """The program runs as it is, with the host's paths instead of those inside."""

    def argv(self, program: tuple[str, ...], view: View, limits: Limits) -> list[str]:
        """The words of `program`, of which some name files."""
        files = {inside: str(path) for inside, path in view.files.items()}
        files |= {inside: f"/dev/fd/{number}" for inside, number in view.memory.items()}
        return [_outside(word, files) for word in program]


def _outside(word: str, files: dict[str, str]) -> str:
    for inside, path in files.items():
        if word == inside or word.endswith(f"={inside}"):
            return word.removesuffix(inside) + path
    return word
