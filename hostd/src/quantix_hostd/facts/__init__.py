"""What clients find on this host, as frozen values that plans decide by: no client, and no I/O, here."""
