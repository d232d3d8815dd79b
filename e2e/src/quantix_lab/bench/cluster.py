"""`make bench-cluster`: what Quantix adds to what several hosts do together.

On three hosts of a lab with a Ceph: live migration against `virsh migrate`, clones and snapshots against
`rbd`, how soon a change of a network is in force on all hosts, and the drain of a host with ten VMs.
"""

from __future__ import annotations

from quantix_lab.bench.cluster_changes import measure_changes
from quantix_lab.bench.cluster_drain import measure_drain
from quantix_lab.bench.cluster_moves import measure_moves
from quantix_lab.bench.cluster_storage import measure_storage
from quantix_lab.bench.figures import Figure, report
from quantix_lab.bench.guests import TIMEOUT_S
from quantix_lab.bench.interruption import as_interrupt
from quantix_lab.bench.progress import step
from quantix_lab.lab import Lab


def main() -> None:
    """On a lab of its own, removed at the end. A part that fails keeps none before it from being told."""
    figures: list[Figure] = []
    with as_interrupt():
        lab = Lab(3)
        try:
            lab.start(step, ceph=True)
            # libvirt by hand sends a domain as it is, with the user in it
            lab.ceph.share_key(lab.first)
            lab.first.kubectl("delete", "vm", "--all", "--wait=true", timeout_s=TIMEOUT_S)
            moves, bare_move_s = measure_moves(lab)
            figures += moves
            figures += measure_storage(lab)
            figures += measure_changes(lab)
            figures += measure_drain(lab, bare_move_s)
        finally:
            lab.close()
            if figures:
                report(
                    "cluster", figures, "medians; three hosts on one machine, disks in one Ceph beside them"
                )


if __name__ == "__main__":
    main()
