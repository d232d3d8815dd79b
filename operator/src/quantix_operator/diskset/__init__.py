"""The disks that a snapshot or a restore is about, and the host that can act on all of them."""
