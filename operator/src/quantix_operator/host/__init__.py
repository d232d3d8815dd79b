"""What the operator knows of hosts: whether they are heard, what they carry, whether they take more."""
