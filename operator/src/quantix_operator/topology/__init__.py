"""Networks with every default applied, and the wires that they are joined to."""
