"""VMs that move to another host while they run (docs/adr/0044)."""
