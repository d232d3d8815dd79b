"""Images on this host: downloaded or received, checked, kept as read-only bases.

`controller` looks, `plan` decides, `status` tells; `intake` begins to bring what an image lacks (`transfer`).
"""
