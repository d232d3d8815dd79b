"""The deciding side of a VirtualMachine: volumes, resolved values, conditions, deletion."""
