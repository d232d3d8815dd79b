"""Our tables in a host's packet filter: hostd fills them, `make clean` takes them away."""

TABLE = "quantix"
FAMILIES = ("ip", "inet", "arp")
"""A table of that name in each of them (nft(8), address families)."""
