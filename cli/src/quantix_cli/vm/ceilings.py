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
    name, later = vm["metadata"]["name"], ""
    said: list[str] = []
    ways: list[str] = []
    for ceiling in _CEILINGS:
        is_new, has = _after(vm, spec, ceiling.has)
        is_new_most, most = _after(vm, spec, ceiling.most)
        if not (is_new or is_new_most) or not has or not most:
            continue
        if ceiling.measure(has) <= ceiling.measure(most):
            continue
        has, most, who = ceiling.told(has), ceiling.told(most), "it" if said else name
        if is_new:
            said.append(f"{who} can grow to {most} ({ceiling.most}), and {has} is more")
            ways.append(f"--{ceiling.option} {has}")
            later = "; a guest that runs grows further after a restart"
        else:
            said.append(f"{who} has {has}, and could not grow to more than {most} ({ceiling.most})")
        ways.append(f"{ceiling.option_of_most} {has}")
    if said:
        raise CommandError(Exit.REFUSED, f"{'; '.join(said)}.", f"qx vm set {name} {' '.join(ways)}{later}")


def _after(vm: Manifest, spec: Manifest, path: str) -> tuple[bool, Any]:
    """Whether a patch says what is to be at a path of two names, and what is there after it."""
    kind, _, part = path.partition(".")
    new = spec.get(kind) or {}
    return (True, new[part]) if part in new else (False, look(vm, f"spec.{path}"))
