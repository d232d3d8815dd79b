"""The first half of `make up`: everything that needs no running Quantix. Standard library only.

`preparation.py` is the list of steps; each other module is what one of them does.
"""
