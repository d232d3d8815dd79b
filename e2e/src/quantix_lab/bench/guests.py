"""Guests of the benchmarks on a whole machine, as a user applies them.

Times are seconds since the machine's boot (CLOCK_BOOTTIME), in which the kernel tells a process' start too.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantix_lab.bench.processes import started_s
from quantix_lab.bench.progress import step
from quantix_lab.machine import Machine
from quantix_lab.machine_view import MachineView
from quantix_lab.vm_manifests import READY as BOOTED
from quantix_lab.vm_manifests import Manifest, small_vm

TIMEOUT_S = 240.0
_LOOK_S = 0.01
_UP = re.compile(BOOTED.encode() + rb": hostname=\S+ address=(\S+)\s")
READY, SUCCEEDED = "condition=Ready", "jsonpath={.status.phase}=Succeeded"
"""For `applied`: when an object is what it was made for."""
TIMED = 'read -r up rest < /proc/uptime; echo "$up"; exec "$@"'
"""What is timed tells its own start: to enter the machine's namespaces is the lab's cost."""
_APPLIED = """read -r began rest < /proc/uptime
"$1" kubectl apply -f - >&2
"$1" kubectl wait "$2" --for="$3" --timeout="$4" >&2
read -r ended rest < /proc/uptime
echo "$began $ended"
"""


@dataclass(frozen=True)
class Start:
    """When the last of some guests had a QEMU process, and when the last was up: seconds from the command."""

    process_s: float
    up_s: float


@dataclass(frozen=True)
class Guest:
    """One that runs, whoever started it. `mark`: what only its QEMU's command line holds."""

    name: str
    mark: str
    log: Path


@contextlib.contextmanager
def bench_machine() -> Iterator[MachineView]:
    """A machine of its own with Quantix on it, removed at the end."""
    step("a machine: up")
    with Machine("bench") as machine:
        machine.up()
        # the example that `qx up` runs would be measured with the rest
        machine.kubectl("delete", "vm", "--all", "--wait=true", timeout_s=TIMEOUT_S)
        yield MachineView(machine)
        step("the machine: removed")


def bench_vm(name: str, **spec: object) -> Manifest:
    """A small VM; many fit on two cores, since it reserves little CPU."""
    return small_vm(name, cpu={"cores": 1, "reservation": "20m"}, **spec)


def start_by_apply(view: MachineView, vms: Sequence[Manifest]) -> tuple[Start, list[Guest]]:
    """`kubectl apply` of all of them at once, and wait until each is up."""
    file = view.layout.root / "bench.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(vms)}))
    apply = view.machine.kubectl_argv("apply", "--server-side", "-o", "json", "-f", str(file))
    began, _, answer = view.machine.run("sh", "-ec", TIMED, "sh", *apply).stdout.partition("\n")
    applied = json.loads(answer)
    found = [item["metadata"] for item in applied.get("items", [applied])]
    guests = [
        Guest(
            item["name"],
            str(view.layout.vm_run(item["uid"])),
            view.layout.vm_log(item["uid"]) / "console.log",
        )
        for item in found
    ]
    return started(float(began), guests), guests


def applied(machine: Machine, manifest: Manifest, until: str) -> float:
    """Seconds from `kubectl apply` of one object until it is as `until` says. Nothing looks meanwhile but one
    watch: on a machine whose cores are all at work, looks again and again would be measured, too.
    """
    about = f"{manifest['kind'].lower()}/{manifest['metadata']['name']}"
    words = (str(machine.control_plane_binary()), about, until, f"{TIMEOUT_S:.0f}s")
    script = ("sh", "-ec", _APPLIED, "sh", *words)
    said = machine.run(*script, stdin=json.dumps(manifest), timeout_s=2 * TIMEOUT_S).stdout.split()
    return float(said[1]) - float(said[0])


def domain_of(guest: Guest) -> str:
    """The name of its domain in libvirt."""
    return f"qx-{Path(guest.mark).name}"


def delete(view: MachineView, guests: Sequence[Guest]) -> None:
    """Delete the VMs and wait until they are gone."""
    names = [guest.name for guest in guests]
    view.machine.kubectl("delete", "vm", *names, "--wait=true", timeout_s=TIMEOUT_S)


def started(began_s: float, guests: Sequence[Guest]) -> Start:
    """Wait until all are up. Raises AssertionError with those that are not, or that have no address."""
    missing = {guest.name: guest for guest in guests}
    deadline_s = _now_s() + TIMEOUT_S
    while missing:
        for guest in [guest for guest in missing.values() if _is_up(guest)]:
            del missing[guest.name]
        up_s = _now_s()
        assert up_s < deadline_s, f"not up after {TIMEOUT_S:.0f} s: {sorted(missing)}"
        time.sleep(_LOOK_S)
    return Start(max(started_s(qemu_of(guest)) for guest in guests) - began_s, up_s - began_s)


def _is_up(guest: Guest) -> bool:
    """A guest that nobody gives an address waits 10 s for one: its time would say nothing."""
    try:
        said = _UP.search(guest.log.read_bytes())
    except FileNotFoundError:
        return False
    assert said is None or said[1] != b"none", f"{guest.name} has no address"
    return said is not None


def qemu_of(guest: Guest) -> int:
    """The process of a guest that runs."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"qemu-system-" in words[0] and any(f"{guest.mark}/".encode() in word for word in words):
            return int(process.name)
    raise AssertionError(f"{guest.name} has no QEMU process")


def _now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
