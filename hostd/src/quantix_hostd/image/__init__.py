"""Images on this host: downloaded or received, checked, kept as read-only bases."""
