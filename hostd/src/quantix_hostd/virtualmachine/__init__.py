"""The VM on this host: observe, plan, apply, status; its record, its causes of death, its console."""
