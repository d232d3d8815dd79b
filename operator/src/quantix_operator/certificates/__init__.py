"""Who gets a certificate: hosts, for their own name, and nobody else."""
