"""Snapshots of VMs: which host takes one, of which volumes, and when (docs/adr/0050)."""
