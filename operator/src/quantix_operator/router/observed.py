"""What a Router depends on, as `observe` found it: facts only.

Used by `plan`, which decides what becomes of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import Host, Network, Router


@dataclass(frozen=True)
class Joined:
    """A network of `spec.networks`; `network` is None where there is none, or none that stays. `path` is its
    place in spec, for messages.
    """

    name: str
    path: str
    address: str | None
    network: Network | None


@dataclass(frozen=True)
class Observed:
    """A Router and what is around it. `others` are the namespace's other Routers, `resolvers` the host's own
    name servers.
    """

    cluster_uid: str
    router: Router
    joined: tuple[Joined, ...]
    outside: Network | None
    others: tuple[Router, ...]
    hosts: tuple[Host, ...]
    resolvers: tuple[str, ...]
