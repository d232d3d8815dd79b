"""What snapshots, restores and migrations have in common: hosts do them, the operator says how they stand."""
