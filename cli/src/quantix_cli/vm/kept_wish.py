"""What spec goes on asking for after its host refused to give it, and what takes that back. Pure.

Called by `qx vm set`. Cores and memory are given together: one that is refused keeps the other back, too,
whichever of them was asked for first.
"""

from __future__ import annotations

from quantix_api.quantities import size_bytes
from quantix_cli.nouns import CHANGES_TO, Manifest, look

_CEILINGS = (
    ("--max-cpu", "cpu.maxCores", "maxCores", ""),
    ("--max-memory", "memory.maxSize", "maxMemory", "B"),
)


def kept_wish(vm: Manifest) -> list[str]:
    """`cpu.cores 2 → 64` for each size that spec says and the VM, as it was seen last, was not given."""
    told = []
    for path, has, wants in _sizes(vm):
        if _differ(has, wants):
            told.append(f"{path} {has}{CHANGES_TO}{wants}")
    return told


def taken_back_by(before: Manifest, seen: Manifest, named: str) -> str:
    """The command that makes spec ask for what the VM has; `named` as commands name it, "" for none needed.
    `before`: the VM as it was before what was refused was written.
    """
    old, new = look(before, "spec.instanceType"), look(seen, "spec.instanceType")
    ceilings = _ceilings_before(before, seen)
    if old and old != new:
        return " ".join((f"qx vm set {named} --type {old}", *ceilings))
    sizes = dict.fromkeys(("cpu.cores", "memory.size"), "")
    has = {"cpu.cores": look(seen, "status.resolved.cores"), "memory.size": _memory(seen)}
    if new and new != old and all(has.values()):
        sizes = {path: str(value) for path, value in has.items()}
    for path, had, wants in _sizes(seen):
        if _differ(had, wants):
            sizes[path] = str(had)
    options = (f"--cpu {sizes['cpu.cores']}", f"--memory {sizes['memory.size']}B")
    given = [option for option, size in zip(options, sizes.values(), strict=True) if size]
    return f"qx vm set {named} {' '.join([*given, *ceilings])}" if given or ceilings else ""


def _ceilings_before(before: Manifest, seen: Manifest) -> list[str]:
    """The options for what the VM could grow to, where that was changed; what it came to where spec said
    nothing of it.
    """
    options = []
    for option, path, resolved, unit in _CEILINGS:
        wants, had = look(seen, f"spec.{path}"), look(before, f"spec.{path}")
        had = had or look(before, f"status.resolved.{resolved}")
        if wants and had and _differ(str(had) if unit else int(had), str(wants) if unit else int(wants)):
            options.append(f"{option} {had}{unit}")
    return options


def _sizes(vm: Manifest) -> list[tuple[str, int | str, int | str]]:
    """Path, what the VM was given and what its own spec wants, where both are known."""
    pairs: list[tuple[str, int | str, int | str]] = [
        ("cpu.cores", look(vm, "status.resolved.cores", ""), look(vm, "spec.cpu.cores", "")),
        ("memory.size", _memory(vm), look(vm, "spec.memory.size", "")),
    ]
    return [pair for pair in pairs if pair[1] and pair[2]]


def _memory(vm: Manifest) -> str:
    return str(look(vm, "status.resolved.memory", ""))


def _differ(has: int | str, wants: int | str) -> bool:
    if isinstance(has, str) and isinstance(wants, str):
        return size_bytes(has) != size_bytes(wants)
    return has != wants
