"""The verbs of `qx`: one module a verb, each making the click command for a noun."""
