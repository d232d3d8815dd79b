"""`qx`: the command of people who run Quantix. A client of the API like any other; imports no component."""
