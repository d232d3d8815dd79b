"""How this machine becomes a host: its keys and the certificates that the cluster gives for them."""
