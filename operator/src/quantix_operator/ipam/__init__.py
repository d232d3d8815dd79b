"""Who has which address and MAC on which wire, and what is left to give out."""
