"""The host daemon: the acting side, on each host."""
