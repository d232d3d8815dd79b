"""The operator: the deciding side."""
