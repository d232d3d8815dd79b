"""`qx up`, `qx down` and what they share.

Two halves: what runs before there is anything but Python (`bootstrap.py`: checks, packages, builds) uses the
standard library alone; the rest runs in the virtual environment that the first half made.
"""
