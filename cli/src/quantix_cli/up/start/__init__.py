"""The second half of `make up`: a running Quantix with this machine as a host and one VM that answers.

`bringup.py` is the list of steps: `control_plane.py` (with `manifests.py`, `defaults.py`, `subnets.py`),
`joining.py` (with `network_databases.py`, `credentials.py`) and `example.py`. `site.py` is what they share.
"""
