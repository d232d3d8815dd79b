"""`make bench-start`: what Quantix adds to the start of a guest.

`kubectl apply` of 1, 5 and 10 VMs against `qemu-img create` and `virsh create` of the same disks and domains
on the same libvirtd, in turns. Ratios of medians; both sides wait for the last of their guests. The ports of
those by hand are in OVN before their time counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from quantix_lab.bench.by_hand_libvirt import by_hand, twins
from quantix_lab.bench.figures import Figure, at_most, report, side_by_side
from quantix_lab.bench.guests import Start, bench_machine, bench_vm, delete, start_by_apply
from quantix_lab.bench.interruption import as_interrupt
from quantix_lab.bench.progress import step
from quantix_lab.machine_view import MachineView

ROUNDS = {1: 4, 5: 3, 10: 2}
GOAL = 1.1


def main() -> None:
    """On a machine of its own."""
    with as_interrupt(), bench_machine() as view:
        measure_start(view)


def measure_start(view: MachineView) -> None:
    """All sizes, and the table."""
    step("start: one guest to warm the caches up")
    _turn(view, 1, "warm")
    figures: list[Figure] = []
    for size, rounds in ROUNDS.items():
        turns = []
        for number in range(rounds):
            step(f"start: {size} guests, round {number + 1} of {rounds}")
            turns.append(_turn(view, size, f"s{size}-{number}"))
        figures += compared(size, [applied for applied, _ in turns], [plain for _, plain in turns])
    note = "ratio of medians: kubectl apply to qemu-img create and virsh create of the same, all at once"
    report("start", figures, note)


def _turn(view: MachineView, size: int, name: str) -> tuple[Start, Start]:
    """One round of each side: as a user, then by hand with the same domains."""
    vms = [bench_vm(f"{name}-{number}") for number in range(size)]
    applied, guests = start_by_apply(view, vms)
    same = twins(view, guests)
    delete(view, guests)
    with by_hand(view, same) as plain:
        pass
    return applied, plain


def compared(size: int, applied: Sequence[Start], plain: Sequence[Start]) -> list[Figure]:
    """The figures of one size; seconds without a goal, ratios with one."""
    figures: list[Figure] = []
    guests = "1 guest" if size == 1 else f"{size} guests"
    for what, ours, theirs in (
        ("QEMU process", [turn.process_s for turn in applied], [turn.process_s for turn in plain]),
        ("guest up", [turn.up_s for turn in applied], [turn.up_s for turn in plain]),
    ):
        names = (f"{guests}, apply → {what}", f"{guests}, by hand → {what}", f"{guests}, ratio → {what}")
        figures += side_by_side(names, ours, theirs, "s", at_most, GOAL)
    return figures


if __name__ == "__main__":
    main()
