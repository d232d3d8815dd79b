"""What a change of a VM's size asks for beyond what the VM can grow to, with the way out. Pure.

The API refuses the same; only who knows what was typed can say what else to type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quantix_api.quantities import size_bytes
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look


@dataclass(frozen=True)
class _Ceiling:
    """Where spec says what there is and how far it grows, and the options of `qx vm set` for both."""

    has: str
    most: str
    option: str
    measure: Callable[[Any], int]
    told: Callable[[Any], str]

    @property
    def option_of_most(self) -> str:
        return f"--max-{self.option}"


def _bytes(size: Any) -> int:
    return size_bytes(str(size))


def _whole(size: Any) -> str:
    return f"{size}B"


_CEILINGS = (
    _Ceiling("cpu.cores", "cpu.maxCores", "cpu", int, str),
    _Ceiling("memory.size", "memory.maxSize", "memory", _bytes, _whole),
)


def refuse_beyond(vm: Manifest, spec: Manifest) -> None:
    """Raise CommandError (6) where `spec`, a patch, and what `vm` has beside it ask for more than the most,
    or for a most that is less than there is.
    """
    changed, name = {"spec": spec}, vm["metadata"]["name"]
    for ceiling in _CEILINGS:
        new = [look(changed, f"spec.{path}") for path in (ceiling.has, ceiling.most)]
        has, most = (
            value if value is not None else look(vm, f"spec.{path}")
            for value, path in zip(new, (ceiling.has, ceiling.most), strict=True)
        )
        if not has or not most or new == [None, None] or ceiling.measure(has) <= ceiling.measure(most):
            continue
        has, most = ceiling.told(has), ceiling.told(most)
        said = f"{name} can grow to {most} ({ceiling.most}), and {has} is more."
        both = f"qx vm set {name} --{ceiling.option} {has} {ceiling.option_of_most} {has}"
        raise CommandError(Exit.REFUSED, said, f"{both}; a guest that runs grows further after a restart")
