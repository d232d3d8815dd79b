"""hostd's own API: consoles, logs, uploads and metrics, on root's unix socket and on TLS."""
