"""`make bench-throughput`: disk and network of a guest, against the same QEMU started by hand.

By hand: the same binary, machine, CPU and kind of disk, and a tap of its own without any switch. Both guests
run side by side and are measured in turns. The guest writes, flushes and reads a blank disk, and sends bytes
to a listener: across OVN's networks to the world, by hand to the other end of the tap.
"""

from __future__ import annotations

from quantix_lab.bench.by_hand_qemu import HandQemu, hand_qemu
from quantix_lab.bench.figures import Figure, at_least, report, side_by_side
from quantix_lab.bench.guests import bench_machine, bench_vm, delete, qemu_of, start_by_apply
from quantix_lab.bench.interruption import as_interrupt
from quantix_lab.bench.progress import step
from quantix_lab.bench.rates import GuestShell, read_rate, receive_rate, write_rate
from quantix_lab.guest_console import guest_console
from quantix_lab.machine import INTERNET
from quantix_lab.machine_view import MachineView

DISK_ROUNDS = 9
"""A disk is read in about a second, and the machine's own disk is no steady one."""
NETWORK_ROUNDS = 3
GOAL = 0.9
NAME = "rates"
DISK = "1Gi"


def main() -> None:
    """On a machine of its own."""
    with as_interrupt(), bench_machine() as view:
        measure_throughput(view)


def measure_throughput(view: MachineView) -> None:
    """Start both guests, and measure each in turns."""
    step("throughput: a guest of Quantix, and one by hand")
    root = {"name": "root", "image": "shared/tiny", "reclaimPolicy": "Delete"}
    data = {"name": "data", "size": DISK, "reclaimPolicy": "Delete"}
    _, guests = start_by_apply(view, [bench_vm(NAME, disks=[root, data])])
    with hand_qemu(view, qemu_of(guests[0]), DISK) as by_hand, guest_console(view.machine, NAME) as ours:
        figures = _measure(view, ours, by_hand)
    delete(view, guests)
    report("throughput", figures, "ratio of medians in one run; MB are 10^6 bytes; the guest's own clock")


def _measure(view: MachineView, ours: GuestShell, by_hand: HandQemu) -> list[Figure]:
    rates: dict[tuple[str, str], list[float]] = {}
    for number in range(DISK_ROUNDS):
        step(f"throughput: disks, round {number + 1} of {DISK_ROUNDS}")
        for side, shell in (("Quantix", ours), ("by hand", by_hand.shell)):
            rates.setdefault(("disk write", side), []).append(write_rate(shell))
            rates.setdefault(("disk read", side), []).append(read_rate(shell))
    for number in range(NETWORK_ROUNDS):
        step(f"throughput: network, round {number + 1} of {NETWORK_ROUNDS}")
        sent = receive_rate(view.machine.argv_in_world, INTERNET, ours)
        rates.setdefault(("network send", "Quantix"), []).append(sent)
        sent = receive_rate(view.machine.argv, by_hand.address, by_hand.shell)
        rates.setdefault(("network send", "by hand"), []).append(sent)
    figures: list[Figure] = []
    for what in ("disk write", "disk read", "network send"):
        names = (f"{what}, Quantix", f"{what}, by hand", f"{what}, ratio")
        both = rates[what, "Quantix"], rates[what, "by hand"]
        figures += side_by_side(names, *both, "MB/s", at_least, GOAL)
    return figures


if __name__ == "__main__":
    main()
