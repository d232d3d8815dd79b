"""Images on this host: downloaded or received, checked, kept as read-only bases.

`controller` looks, `plan` decides, `status` tells. A file's way in: `desk` (from people who send) or `intake`
(what an image lacks) begin it, `receiving` runs it in the background, `receive` takes the bytes in, by way of
the `draft` that a broken transfer goes on from; `received` is what is known once it was checked.
"""
