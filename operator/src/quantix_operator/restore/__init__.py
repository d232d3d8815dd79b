"""VMs that are set back to a snapshot: when, by which host, and what keeps them off meanwhile
(docs/adr/0050).
"""
