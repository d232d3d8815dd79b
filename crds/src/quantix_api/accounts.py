"""Users of a host that Quantix works with beside root. `make up` makes its own; QEMU's comes with libvirt."""

QEMU_USER = "libvirt-qemu"
"""QEMU runs as this user, and volumes belong to the group of this name."""

IMAGE_USER = "quantix-image"
"""qemu-img looks at files from outside as this user. Images belong to the group of this name, of which QEMU's
user is a member: who is in it reads images, and nothing else of ours."""
