"""Snapshots of VMs, and VMs that are set back to them (docs/adr/0050)."""
