"""What `qx vm attach` brought into a VM, and whether the running guest has it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from quantix_api.conditions import STALLED_REASONS, condition_of, is_current
from quantix_api.messages import render
from quantix_cli.ending import ONCE_DONE, TAKEN, End, is_stalled
from quantix_cli.nouns import Manifest, look
from quantix_cli.vm.devices import LISTS
from quantix_cli.waiting import is_ready

# A network may be ready later than all else of a change, and no mark tells when the host has seen that: what
# stays so for this many looks of 0.2 s is so
_CALM_LOOKS_OF_NICS = 5
# A medium needs nothing resolved: its host changes it whatever keeps the operator from resolving the rest
_CALM_LOOKS_OF_MEDIA = 15
# That a disk is being taken is not told while another device waits: what its host cannot take yet may still
# come in this time
_CALM_LOOKS_OF_DISKS_BESIDE_OTHERS = 15
# a volume that its last VM has just let go of is free in this time
_LOOKS_AT_ANOTHERS_VOLUME = 15

# what is told of all devices of a kind; of drives nothing is
_TOLD_BY = {"nics": "NetworkReady", "disks": "VolumesReady"}
_ANY = "…"


@dataclass
class Arrival:
    """One device on its way: `kind` is the list of spec that it is in, `generation` the one that brought it.
    Shown the VM again and again, it knows when there is nothing more to wait for. `medium_is_checked`: the
    image that it brings into a drive is there, so what else the VM waits for is another device's.
    `stalled_before`: what kept the VM stalled before the device came, "" for nothing; `told_before`: what
    was said of its devices of that kind then.
    """

    kind: str
    device: Manifest
    generation: int
    medium_is_checked: bool = False
    stalled_before: str = ""
    told_before: str = ""
    _calm: int = field(default=0, init=False)
    _taken: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        return str(self.device["name"])

    def described(self, vm: Manifest) -> str:
        return described(self.kind, self.device, vm)

    def is_settled(self, vm: Manifest) -> bool:
        """Whether the guest has it, or does not get it before its next start."""
        if not runs(vm) or self._is_open(vm):
            return True
        self._calm = self._calm + 1 if self._is_calm(vm) else 0
        compared = look(vm, "status.runtime.resolvedGeneration", 0) >= self.generation
        if self.kind == "cdroms":
            return self._calm >= (1 if compared else _CALM_LOOKS_OF_MEDIA)
        return compared and self._calm >= self._enough(vm)

    def _enough(self, vm: Manifest) -> int:
        if self.kind == "nics":
            return _CALM_LOOKS_OF_NICS
        return 1 if self._needs_a_start(vm) else _CALM_LOOKS_OF_DISKS_BESIDE_OTHERS

    def ended_by(self, vm: Manifest) -> End | None:
        """What keeps the device, where nothing comes of waiting for it. None for what kept the VM before it
        came, and for what keeps another: of a NIC and of a disk that is told apart.
        """
        stalled = _message_of(vm, "Stalled")
        if is_stalled(vm, self.generation) and stalled != self.stalled_before:
            return End(stalled)
        said = condition_of(vm, _TOLD_BY.get(self.kind, ""))
        message, reason = str(said.get("message", "")), said.get("reason")
        is_new = is_current(said, self.generation) and message != self.told_before
        if said.get("status") != "False" or not is_new:
            return None
        if reason in STALLED_REASONS:
            return End(message)
        self._taken = self._taken + 1 if self._is_anothers(message) else 0
        taken = reason in TAKEN or self._taken >= _LOOKS_AT_ANOTHERS_VOLUME
        return End(message, ONCE_DONE) if taken else None

    def _is_anothers(self, message: str) -> bool:
        """Whether another VM has the volume that is to come; that a host still has it passes by itself."""
        volume = self.device.get("volume")
        said = render("VolumeInUse", volume=volume or "", user=_ANY).sentence.partition(_ANY)[0]
        return bool(volume) and said in message

    def said_by(self, vm: Manifest) -> Manifest:
        """The condition that tells what the device waits for: not that the VM waits for room to grow."""
        own, ready = condition_of(vm, _TOLD_BY.get(self.kind, "")), condition_of(vm)
        if own.get("status") == "False":
            return own
        return {} if _repeats(ready, condition_of(vm, "SizeGranted")) else ready

    def is_there(self, vm: Manifest) -> bool:
        """Whether the running guest has it, as far as is known of a VM that is settled."""
        return runs(vm) and (self._is_open(vm) or (self.kind != "disks" and not self._waits_for_start(vm)))

    def why_later(self, vm: Manifest) -> str:
        """Why it comes with the next start only, of a VM that is settled and has it not."""
        name = vm["metadata"]["name"]
        if not runs(vm):
            return f"{name} does not run"
        if self.kind == "cdroms":
            return "a guest that runs gets no further drive"
        if self.kind == "disks" and self.device.get("bus") == "SATA":
            return "a guest that runs takes no SATA disk"
        if self.kind == "disks" and self.device.get("bus") == "SCSI":
            return f"{name} was started without a SCSI disk, so it has no controller for one"
        if why := why_pending(self.kind, self.name, vm):
            return why
        return f"{name} runs and has not taken it"

    def _is_open(self, vm: Manifest) -> bool:
        return self.kind == "disks" and has_open(self.name, vm)

    def _is_calm(self, vm: Manifest) -> bool:
        """Whether nothing is on its way for this device."""
        if self.kind == "nics":
            ready = condition_of(vm, "NetworkReady")
            known = {nic["name"] for nic in look(vm, "status.nics", [])}
            # while another NIC waits, having a slot tells that this one does not
            slots = {device["name"] for device in look(vm, "status.resolved.devices", [])}
            served = ready.get("status") == "True" or self.name in slots
            return is_current(ready, self.generation) and self.name in known and served
        if self.kind == "cdroms" and self.medium_is_checked:
            looked = is_current(condition_of(vm), self.generation)
            return looked and (is_ready(vm, self.generation) or not is_being_changed(self.name, vm))
        if not self._waits_for_start(vm) and self.kind == "disks":
            return False
        return self._needs_a_start(vm) or _waits_for_other_devices(vm, self.generation)

    def _needs_a_start(self, vm: Manifest) -> bool:
        """Whether a disk that is listed as waiting for the next start is certain not to come before it."""
        return self.device.get("bus") == "SATA" or is_ready(vm, self.generation)

    def _waits_for_start(self, vm: Manifest) -> bool:
        return waits_for_start(self.kind, self.name, vm)


def described(kind: str, device: Manifest, vm: Manifest) -> str:
    """`disk data (volume web-1-data)`, of a VM that has the device."""
    name = device["name"]
    if kind == "nics":
        return f"NIC {name} (network {device.get('network', 'default')})"
    if kind == "cdroms":
        return f"medium {device['image']} in drive {name}" if device.get("image") else f"drive {name}"
    made = {disk["name"]: disk["volume"] for disk in look(vm, "status.resolved.disks", [])}
    volume = device.get("volume") or made.get(name)
    return f"disk {name} ({f'volume {volume}' if volume else device.get('size')})"


def waits_for_start(kind: str, name: str, vm: Manifest) -> bool:
    """Whether something of the device is said to come, or to go, with the next start."""
    return any(path.startswith(f"spec.{kind}[{name}]") for path in _pending(vm))


def is_left_for_start(kind: str, name: str, vm: Manifest) -> bool:
    """Whether the device as a whole is said to come, or to go, with the next start."""
    return f"spec.{kind}[{name}]" in _pending(vm)


def why_pending(kind: str, name: str, vm: Manifest) -> str:
    """What its host says keeps the device from coming before the next start, "" where it says nothing."""
    whys = {change.get("path"): change.get("why") for change in look(vm, "status.runtime.pendingChanges", [])}
    return str(whys.get(f"spec.{kind}[{name}]") or "")


def is_being_changed(drive: str, vm: Manifest) -> bool:
    """Whether a drive that the guest has still holds another medium."""
    return f"spec.cdroms[{drive}].image" in _pending(vm)


def _waits_for_other_devices(vm: Manifest, generation: int) -> bool:
    """Whether Ready repeats what a disk, a NIC or a wish to grow waits for. Its host lists no such device
    among what waits for the next start, so what is listed there is not the one that is meant.
    """
    ready = condition_of(vm)
    said = [condition_of(vm, kind) for kind in ("VolumesReady", "NetworkReady", "SizeGranted")]
    waits = ready.get("status") == "False" and is_current(ready, generation)
    return waits and any(_repeats(ready, one) for one in said)


def _repeats(ready: Manifest, one: Manifest) -> bool:
    """Whether Ready says nothing but what this condition does."""
    return one.get("status") == "False" and all(
        one.get(key) == ready.get(key) for key in ("reason", "message")
    )


def _pending(vm: Manifest) -> list[str]:
    """The fields that wait for the next start."""
    return [str(change.get("path", "")) for change in look(vm, "status.runtime.pendingChanges", [])]


def has_open(name: str, vm: Manifest) -> bool:
    """Whether QEMU has a disk of that name."""
    return name in {disk["name"] for disk in look(vm, "status.runtime.disks", [])}


def runs(vm: Manifest) -> bool:
    """Whether there is a guest that can be given something."""
    return bool(look(vm, "status.runtime.domain") == "Present")


def arrival(before: Manifest, after: Manifest) -> Arrival | None:
    """What came to the VM between the two, None for nothing."""
    for kind in LISTS:
        had = look(before, f"spec.{kind}", [])
        for device in look(after, f"spec.{kind}", []):
            same = next((one for one in had if one["name"] == device["name"]), None)
            if same is None or (kind == "cdroms" and same.get("image") != device.get("image")):
                return Arrival(
                    kind,
                    device,
                    after["metadata"]["generation"],
                    stalled_before=_message_of(before, "Stalled"),
                    told_before=_message_of(before, _TOLD_BY.get(kind, "")),
                )
    return None


def _message_of(vm: Manifest, condition: str) -> str:
    return str(condition_of(vm, condition).get("message", ""))
