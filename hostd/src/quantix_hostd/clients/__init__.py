"""The edge of hostd: the only modules that talk to libvirt, OVS, QEMU's tools, files of others and the API."""
