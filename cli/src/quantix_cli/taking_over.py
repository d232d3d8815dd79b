"""Volumes that a new VM would take over from an earlier one of its name: told and asked before it is sent,
since its guest boots with what is on them. What it could not take over is refused, as the operator would.

Used by `qx vm create`. What the account may not look at is left to the operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quantix_api import resources
from quantix_api.messages import render
from quantix_api.quantities import size_bytes
from quantix_api.taking_over import conflict_fields, may_take_over
from quantix_api.volume_names import volume_name
from quantix_cli.exits import refused
from quantix_cli.measures import size
from quantix_cli.naming import reference
from quantix_cli.nouns import Manifest, look
from quantix_cli.questions import confirm
from quantix_cli.session import Session
from quantix_client.errors import Forbidden


@dataclass(frozen=True)
class Taken:
    """Disk `disk` of VM `vm` gets the Volume `volume`, which is there."""

    vm: str
    disk: Manifest
    volume: Manifest

    @property
    def name(self) -> str:
        return str(self.volume["metadata"]["name"])

    @property
    def described(self) -> str:
        """`volume web-1-root (2 GiB), with the data of an earlier VM`, and to what it grows."""
        had, wanted = (size_bytes(str(look(of, "size") or "0")) for of in (self.volume["spec"], self.disk))
        grows = f", grown to {size(wanted)}" if wanted > had > 0 else ""
        by_vm = look(self.volume, "metadata.labels", {}).get(resources.LABEL_MANAGED_BY)
        data = "the data of an earlier VM" if by_vm else "what is on it"
        return f"volume {self.name}{f' ({size(had)}{grows})' if had else ''}, with {data}"


async def ask_taken_over(session: Session, vms: Sequence[Manifest]) -> list[Taken]:
    """What the new VMs take over, once somebody has agreed to it. Raises CommandError: 6 where a volume is in
    the way, and as `confirm`.
    """
    namespace = vms[0]["metadata"]["namespace"]
    try:
        volumes = (await session.api.list(resources.VOLUMES, namespace)).items
        by_name = {volume["metadata"]["name"]: volume for volume in volumes}
        met = [found for vm in vms for found in _met(vm, by_name)]
        there = (await session.api.list(resources.VIRTUAL_MACHINES, namespace)).items if met else []
    except Forbidden:
        return []
    names = {vm["metadata"]["name"] for vm in there}
    live = {vm["metadata"].get("uid") for vm in there if not vm["metadata"].get("deletionTimestamp")}
    # that the name of a VM is taken is told where the VM is made
    taken = [one for one in met if one.vm not in names and not _goes(one.volume, live)]
    for one in taken:
        _refuse_conflict(session, one, live)
    if taken:
        told = [f"disk {one.disk['name']} of {one.vm} is {one.described}" for one in taken]
        anew = " ".join(reference(one.volume, "volume", session.namespace) for one in taken)
        told.append(f"to begin anew: qx volume delete {anew}, or another name for the VM")
        question, sure = f"Make {', '.join({one.vm: 0 for one in taken})} with that data?", session.assume_yes
        confirm(question, told, assume_yes=sure, terminal=session.terminal, always_told=told)
    return taken


def as_it_comes(vm: Manifest, taken: Sequence[Taken]) -> Manifest:
    """The VM with the size and the name of what it takes over, as it is told."""
    own = {one.disk["name"]: one for one in taken if one.vm == vm["metadata"]["name"]}
    disks = vm["spec"]["disks"]
    told = [_as_taken(disk, own[disk["name"]]) if disk["name"] in own else disk for disk in disks]
    return {**vm, "spec": {**vm["spec"], "disks": told}}


def old_data(vm: Manifest, taken: Sequence[Taken]) -> str:
    """` on volume web-1-root (2 GiB), with the data of an earlier VM,`, "" where all of it is new."""
    told = [one.described for one in taken if one.vm == vm["metadata"]["name"]]
    return f" on {' and '.join(told)}," if told else ""


def _as_taken(disk: Manifest, one: Taken) -> Manifest:
    sizes = [str(of["size"]) for of in (one.volume["spec"], disk) if of.get("size")]
    largest = {"size": max(sizes, key=size_bytes)} if sizes else {}
    return {"name": disk["name"], "volume": one.name, **largest}


def _met(vm: Manifest, volumes: dict[str, Manifest]) -> Iterator[Taken]:
    name = vm["metadata"]["name"]
    for disk in vm["spec"]["disks"]:
        volume = volumes.get(volume_name(name, disk["name"]))
        if volume is not None and not disk.get("volume"):
            yield Taken(name, disk, {"spec": {}, **volume})


def _goes(volume: Manifest, live: set[str]) -> bool:
    """Whether it is deleted, by itself or with the VMs that own it: the new VM then gets a new one."""
    owners = look(volume, "metadata.ownerReferences", [])
    left = owners and not look(volume, "spec.deletionProtection")
    with_owner = left and not any(owner.get("uid") in live for owner in owners)
    return bool(volume["metadata"].get("deletionTimestamp") or with_owner)


def _refuse_conflict(session: Session, one: Taken, live: set[str]) -> None:
    users = {attached.get("uid") for attached in look(one.volume, "status.attachedTo", [])}
    users.add(look(one.volume, "metadata.labels", {}).get(resources.LABEL_VIRTUAL_MACHINE_UID))
    # of one that is deleted meanwhile it comes free
    has_user, source = bool(users & live), look(one.volume, "spec.source")
    wanted = {"image": one.disk["image"]} if one.disk.get("image") else None
    if may_take_over(wanted, source, has_user=has_user):
        return
    named = reference(one.volume, "volume", session.namespace)
    hint = "another name for the VM" if has_user else f"qx volume delete {named}, or another name for the VM"
    raise refused(render("VolumeConflict", **conflict_fields(one.name, source, has_user=has_user)), hint)
