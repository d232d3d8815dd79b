"""What the disks of guests take of the kernel's asynchronous I/O, which all processes of a host share: hostd
raises its limit, and `qx doctor` tells for how many guests some is left.

Source: Linux, fs/aio.c (fs.aio-max-nr); QEMU, block/linux-aio.c (MAX_EVENTS).
"""

OF_A_GUEST = 2 * 2048
"""Two threads that serve disks; a kernel begins with 65,536 for all."""
OF_MANY_GUESTS = 1000 * OF_A_GUEST
"""What there is to be room for beside what is taken."""
