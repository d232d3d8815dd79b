"""A pool of this host, of either kind.

What both have: `name`, `host`, `key` (by which this host knows it), `place`, `has_any_of`, `has_image`,
`space`, and `received`, the directory in which files from outside are received for it.
"""

from __future__ import annotations

from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.pool_rbd import PoolRbd

Pool = PoolDir | PoolRbd
