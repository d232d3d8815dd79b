"""Our tables in a host's packet filter, which hostd fills and `make clean` takes away; what they guard."""

TABLE = "quantix"
FAMILIES = ("ip", "inet", "arp")
"""A table of that name in each of them (nft(8), address families)."""
ARRIVAL_PORTS = (49152, 49215)
"""The first and the last of those at which a host's QEMU receives guests (TCP)."""
