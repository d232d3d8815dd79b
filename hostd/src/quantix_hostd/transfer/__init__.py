"""Data on its way into a pool, a file or a full copy: in the background, in turns, within the pool's room.

A file's way in: `desk` (from people who send) or `image.intake` (what an image lacks) begin it, `receiving`
runs it in the background, `receive` takes the bytes in, by way of the `draft` that a broken transfer goes on
from; `received` is what is known once it was checked.
"""
