"""The disks that a snapshot or a restore is about, and the hosts that can act on all of them."""
