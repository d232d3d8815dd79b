"""The guest image `debian`: Debian 13 with cloud-init, the stock guest agent and sshd, made by mmdebstrap.

Made by `make image-debian` and by the tests that need a real guest; `make up` neither makes nor needs it. It
boots from BIOS and from UEFI, speaks on the first serial port, and reads its settings from a NoCloud seed
alone. No key, no machine-id and no password are in it.
"""
