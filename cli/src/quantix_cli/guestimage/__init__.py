"""The guest image `tiny`: a bootable disk of a few megabytes, built from Debian packages in seconds.

Used by `qx up` (the example boots it) and by every test that needs a real guest. It holds Debian's cloud
kernel, busybox and a DHCPv6 client: addresses of both families, a root shell on the serial port, answers on
TCP 22 and 80, power-off on ACPI.
"""
