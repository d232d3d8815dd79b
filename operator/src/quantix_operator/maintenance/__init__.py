"""Hosts that are emptied for maintenance: who leaves, in which order, and who does not."""
