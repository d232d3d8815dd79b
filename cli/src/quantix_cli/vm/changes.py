"""What `qx vm set` changes: a patch of spec and labels, and what it says about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from quantix_api.conditions import condition_of, is_current
from quantix_api.inbound import groups_that_count
from quantix_api.messages import render
from quantix_api.quantities import counted
from quantix_cli.amounts import parse_changes
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import CHANGES_TO, Manifest, look
from quantix_cli.owners import is_applied
from quantix_cli.vm.ceilings import refuse_beyond
from quantix_cli.vm.devices import refuse_unknown

_ANY = "…"
_OF_MEMORY = render("WaitingForGuest", has=_ANY, wants=_ANY, name="").sentence.split(_ANY)[1]
_OF_SIZE = ("cpu", "memory", "instanceType")
_OF_THE_GUEST = (*_OF_SIZE, "disks", "cdroms", "nics", "boot")


@dataclass(frozen=True)
class Wanted:
    """The options of `qx vm set`; what is empty or None stays as it is."""

    cpu: int | None = None
    memory: str = ""
    max_cpu: int | None = None
    max_memory: str = ""
    instance_type: str = ""
    cpu_model: str = ""
    grace_s: int | None = None
    protection: bool | None = None
    ha: str = ""
    priority: int | None = None
    boot: str = ""
    groups: tuple[str, ...] = ()
    nic: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if all(getattr(self, part.name) == part.default for part in fields(self)):
            raise CommandError(Exit.USAGE, "Set what?", "qx vm set web-1 --memory 4GiB")
        if self.instance_type and (self.cpu or self.memory):
            said = "--type says CPU and memory: give either it, or --cpu and --memory."
            raise CommandError(Exit.USAGE, said)


def patch_of(vm: Manifest, wanted: Wanted) -> Manifest:
    """The merge patch; empty where all is so already. Raises CommandError (2, 5, 6)."""
    spec = _sizes(vm, wanted)
    beside = {
        "cpu": _only(maxCores=wanted.max_cpu, model=wanted.cpu_model or None),
        "memory": _only(maxSize=wanted.max_memory or None),
    }
    spec |= {kind: spec.get(kind, {}) | more for kind, more in beside.items() if more}
    values = {
        "gracePeriodSeconds": wanted.grace_s,
        "deletionProtection": wanted.protection,
        "ha": _only(restart=wanted.ha or None, priority=wanted.priority),
        "boot": _boot(vm, wanted.boot.split(",")) if wanted.boot else None,
        "nics": _nics(vm, wanted),
    }
    spec |= {key: value for key, value in values.items() if value not in (None, {})}
    refuse_beyond(vm, spec)
    patch = {"spec": spec} if spec else {}
    if labels := parse_changes(wanted.labels, "--label"):
        patch["metadata"] = {"labels": labels}
    return {} if _says_nothing_new(patch, vm) else patch


def _boot(vm: Manifest, order: list[str]) -> dict[str, Any]:
    refuse_unknown(vm, order)
    return {"order": order}


def _sizes(vm: Manifest, wanted: Wanted) -> dict[str, Any]:
    """CPU and memory: of a type, or one's own; whoever changes one of a type's takes over the other."""
    if wanted.instance_type:
        own = [
            kind for kind, part in (("cpu", "cores"), ("memory", "size")) if look(vm, f"spec.{kind}.{part}")
        ]
        cleared = {"cpu": {"cores": None}, "memory": {"size": None}}
        return {"instanceType": wanted.instance_type} | {kind: cleared[kind] for kind in own}
    if not wanted.cpu and not wanted.memory:
        return {}
    cores, memory = wanted.cpu, wanted.memory
    if look(vm, "spec.instanceType"):
        cores = cores or look(vm, "status.resolved.cores")
        memory = memory or look(vm, "status.resolved.memory", "")
        if not cores or not memory:
            said = f"{vm['metadata']['name']} takes its size from type {look(vm, 'spec.instanceType')}."
            raise CommandError(Exit.USAGE, said, "give both --cpu and --memory, or --type")
    spec: dict[str, Any] = {"instanceType": None} if look(vm, "spec.instanceType") else {}
    spec |= {"cpu": {"cores": cores}} if cores else {}
    return spec | ({"memory": {"size": memory}} if memory else {})


def told_of_type(vm: Manifest, patch: Manifest) -> list[str]:
    """What a patch means for the instance type of `vm`, and for the manifest that it was applied from."""
    spec, before = patch.get("spec", {}), look(vm, "spec.instanceType")
    after = spec.get("instanceType", before)
    if before == after or (before and after):
        return []
    name = vm["metadata"]["name"]
    if after is None:
        size = f"{counted(spec['cpu']['cores'], 'CPU')} and {spec['memory']['size']}B of memory"
        said = f"{name} no longer takes its size from type {before}: {size} are its own."
        old, new = f"instanceType: {before}", "cpu.cores and memory.size"
    else:
        said = f"{name} takes its size from type {after}: cores and memory of its own are left out."
        old, new = "cpu.cores and memory.size", f"instanceType: {after}"
    if not is_applied(vm):
        return [said]
    return [said, f"kubectl apply of its manifest is refused until that has {new} instead of {old}."]


def _nics(vm: Manifest, wanted: Wanted) -> list[Manifest] | None:
    if not wanted.groups:
        return None
    nics = look(vm, "spec.nics", [])
    meant = [nic["name"] for nic in nics if wanted.nic in ("", nic["name"])]
    if not meant:
        name = vm["metadata"]["name"]
        said = f"{name} has no NIC {wanted.nic}." if wanted.nic else f"{name} has no NIC."
        raise CommandError(Exit.NOT_FOUND, said, f"qx vm show {name}")
    groups = {"securityGroups": list(wanted.groups)}
    return [nic | groups if nic["name"] in meant else nic for nic in nics]


def _only(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _says_nothing_new(patch: object, value: object) -> bool:
    if not isinstance(patch, dict):
        return patch == value
    inner = value if isinstance(value, dict) else {}
    return all(_says_nothing_new(wanted, inner.get(key)) for key, wanted in patch.items())


def may_wait(before: Manifest, after: Manifest) -> bool:
    """Whether a part of spec differs that a running guest may have to be restarted for."""
    return _differ(before, after, _OF_THE_GUEST)


def growth_refusal(before: Manifest, after: Manifest, seen: Manifest) -> str:
    """The message of SizeGranted, where the change was one of size and its host does not give it; else "".
    `seen`: the VM once that is decided.
    """
    said = condition_of(seen, "SizeGranted")
    current = is_current(said, after["metadata"]["generation"])
    if not current or said.get("status") != "False" or not _differ(before, after, _OF_SIZE):
        return ""
    return str(said.get("message", ""))


def not_given(vm: Manifest, generation: int) -> str:
    """Why a VM that runs has not the size of spec, which is all that keeps it from being Ready; else ""."""
    ready, size = condition_of(vm), condition_of(vm, "SizeGranted")
    runs = look(vm, "status.runtime.domain") == "Present" and is_current(ready, generation)
    refused = size.get("status") == "False" and size.get("reason") == ready.get("reason")
    return str(size.get("message", "")) if runs and refused and ready.get("status") == "False" else ""


def _differ(before: Manifest, after: Manifest, parts: tuple[str, ...]) -> bool:
    return any(look(before, f"spec.{part}") != look(after, f"spec.{part}") for part in parts)


def left_for_restart(vm: Manifest, before: Manifest | None = None) -> list[str]:
    """`memory.size 2Gi → 4Gi` for each change that the running guest does not have yet, without those that
    it did not have `before` either: what is done in between has not caused them.
    """
    old = look(before or {}, "status.runtime.pendingChanges", [])
    return [
        f"{str(change.get('path', '')).removeprefix('spec.')} "
        f"{change.get('running', 'none')}{CHANGES_TO}{change.get('wanted', 'none')}"
        for change in look(vm, "status.runtime.pendingChanges", [])
        if change not in old
    ]


def told_of_groups(vm: Manifest, patch: Manifest) -> list[str]:
    """`security groups of eth0: web → ssh`, for each NIC that a patch takes groups from, or gives some."""
    had = {nic["name"]: _groups_of(nic) for nic in look(vm, "spec.nics", [])}
    changed = {nic["name"]: _groups_of(nic) for nic in look(patch, "spec.nics", [])}
    return [
        f"security groups of {name}: {had[name]}{CHANGES_TO}{groups}; it counts at once."
        for name, groups in changed.items()
        if groups != had.get(name, groups)
    ]


def _groups_of(nic: Manifest) -> str:
    """As spec says them; `default` where it says none."""
    counting = groups_that_count(nic.get("portSecurity", "Enabled"), nic.get("securityGroups"))
    return ", ".join(counting) or "none"


def changes_memory(before: Manifest, after: Manifest) -> bool:
    """Whether the guest may have to take memory for what was written."""
    return _differ(before, after, ("memory", "instanceType"))


def memory_on_its_way(vm: Manifest, generation: int) -> str:
    """The message of Ready where the guest has not taken all memory that it was given; else ""."""
    ready = condition_of(vm)
    waits = is_current(ready, generation) and ready.get("reason") == "WaitingForGuest"
    message = str(ready.get("message", ""))
    return message if waits and _OF_MEMORY in message else ""
