"""Which Networks there are, and on which wire: what the ledger looks addresses up by.

Filled by `nics.feed` from the cache, by way of the ledger. No I/O.
"""

from __future__ import annotations

from quantix_operator.topology.view import NetworkView, Wire, own_wire


class Wires:
    """The networks by UID and by wire, the first to join first."""

    def __init__(self) -> None:
        self._networks: dict[str, NetworkView] = {}
        self._joined: dict[Wire, dict[str, NetworkView]] = {}

    def join(self, network: NetworkView) -> None:
        """`network` is there, or is another than it was."""
        if self.wire(network.uid) != network.wire:
            self.leave(network.uid)
        self._networks[network.uid] = network
        self._joined.setdefault(network.wire, {})[network.uid] = network

    def leave(self, network_uid: str) -> None:
        """The network is gone."""
        gone = self._networks.pop(network_uid, None)
        if gone is None:
            return
        joined = self._joined[gone.wire]
        del joined[network_uid]
        if not joined:
            del self._joined[gone.wire]

    def wire(self, network_uid: str) -> Wire:
        """The wire of a network; one of its own for a network that was not heard of."""
        network = self._networks.get(network_uid)
        return network.wire if network is not None else own_wire(network_uid)

    def others(self, network: NetworkView) -> tuple[NetworkView, ...]:
        """The other networks on its wire."""
        joined = self._joined.get(network.wire, {})
        return tuple(other for uid, other in joined.items() if uid != network.uid)

    def keys(self, wire: Wire) -> tuple[str, ...]:
        """The networks on a wire, as namespace/name."""
        return tuple(network.key for network in self._joined.get(wire, {}).values())
