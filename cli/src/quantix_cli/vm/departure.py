"""What `qx vm detach` took out of a VM, and whether the running guest has let it go. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from quantix_api.conditions import condition_of
from quantix_api.message_text import hint_of
from quantix_api.messages import render
from quantix_cli.nouns import Manifest, look
from quantix_cli.vm.arrival import described, has_open, is_being_changed, runs, waits_for_start
from quantix_cli.vm.devices import LISTS
from quantix_cli.waiting import is_ready

# looks of 0.2 s at a VM whose host has not said that it compared the change with its guest, or that waits for
# something else, which would hide that the guest keeps the device
_CALM_LOOKS = 15
# the host has asked the guest three times by then; who does not let go keeps it for longer
_PATIENT_LOOKS = 100
_ANY = "…"
_KEEPS = render("WaitingForGuest", device=_ANY, name="").sentence.partition(_ANY)[0]


@dataclass
class Departure:
    """One device on its way out: `kind` is the list of spec that it was in, `generation` the one without it.
    Shown the VM again and again, it knows when there is nothing more to wait for.
    """

    kind: str
    name: str
    described: str
    generation: int
    _calm: int = field(default=0, init=False)
    _kept: int = field(default=0, init=False)

    def is_settled(self, vm: Manifest) -> bool:
        """Whether the guest has let it go, keeps it, or has it until its next start."""
        if not runs(vm) or (self.kind == "disks" and not has_open(self.name, vm)):
            return True
        self._kept = self._kept + 1 if self._is_kept(vm) else 0
        self._calm = self._calm + 1 if self._is_calm(vm) else 0
        return self._calm >= self._enough(vm) or self._kept >= _PATIENT_LOOKS

    def _enough(self, vm: Manifest) -> int:
        """How many calm looks tell: where the host compared the change and waits for nothing, it stays so."""
        compared = look(vm, "status.runtime.resolvedGeneration", 0) >= self.generation
        opens = self.kind == "cdroms" and is_being_changed(self.name, vm)
        return 1 if compared and is_ready(vm, self.generation) and not opens else _CALM_LOOKS

    def fate(self, vm: Manifest) -> str:
        """What has become of it, as far as is known of a VM that is settled."""
        if runs(vm) and self._waits_for_start(vm):
            return "leaves with the next start"
        if self.stays(vm):
            return "stays until the guest lets go of it"
        return "is unplugged" if runs(vm) and self.kind != "cdroms" else "is taken out"

    def stays(self, vm: Manifest) -> bool:
        """Whether the guest still has it and may let go of it at any time, of a VM that is settled."""
        return runs(vm) and not self._waits_for_start(vm) and not self._is_gone(vm)

    def hint(self, vm: Manifest, reference: str) -> str:
        """What brings it about; "" where it is done. `reference` is how the VM is named in a command."""
        if not runs(vm) or self._is_gone(vm):
            return ""
        return f"qx vm restart {reference}" if self._waits_for_start(vm) else hint_of(_said(vm))

    def _is_gone(self, vm: Manifest) -> bool:
        if self.kind == "disks":
            return not has_open(self.name, vm)
        return not self._is_kept(vm) and not self._waits_for_start(vm)

    def _waits_for_start(self, vm: Manifest) -> bool:
        return not self._is_kept(vm) and waits_for_start(self.kind, self.name, vm)

    def _is_kept(self, vm: Manifest) -> bool:
        """Whether the guest was asked to let go of a device and has not yet; the host names the first."""
        return self.kind != "cdroms" and _said(vm).startswith(_KEEPS)

    def _is_calm(self, vm: Manifest) -> bool:
        """Whether nothing is on its way for this device."""
        if self._is_kept(vm) or condition_of(vm).get("observedGeneration", 0) < self.generation:
            return False
        if self.kind == "nics":
            return self.name not in {nic["name"] for nic in look(vm, "status.nics", [])}
        return self.kind == "cdroms" or self._waits_for_start(vm)


def departures(before: Manifest, after: Manifest) -> list[Departure]:
    """What left the VM between the two."""
    found = []
    for kind in LISTS:
        left = {device["name"]: device for device in look(after, f"spec.{kind}", [])}
        for device in look(before, f"spec.{kind}", []):
            name = device["name"]
            lost_medium = kind == "cdroms" and device.get("image") and not left.get(name, {}).get("image")
            if name not in left or lost_medium:
                what = described(kind, device, before)
                found.append(Departure(kind, name, what, after["metadata"]["generation"]))
    return found


def _said(vm: Manifest) -> str:
    return str(condition_of(vm).get("message", ""))
