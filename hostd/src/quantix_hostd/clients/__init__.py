"""The edge of hostd: the only modules that talk to libvirt, OVS, QEMU's tools, foreign files and the API."""
