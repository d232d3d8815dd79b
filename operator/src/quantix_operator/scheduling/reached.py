"""What a VM's host has to reach or have for it: pools, volumes, networks and images. Reads the cache only.

Used where a guest is made of a VM (`observe`), and for volumes that move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quantix_api import Image, Network, VirtualMachine, Volume
from quantix_api.references import resolve_key
from quantix_operator.objects import Objects
from quantix_operator.scheduling.model import Guest, Pin
from quantix_operator.volumedata.kept import Kept, kept_for
from quantix_operator.volumedata.origin import source_volume
from quantix_operator.volumedata.right import is_denied, is_tied


def with_reach(objects: Objects, vm: VirtualMachine, occupant: Guest, volumes: Sequence[Volume]) -> Guest:
    """With the pools, volumes and networks that its host has to reach, and the images that it needs."""
    return replace(
        occupant,
        pools=_pools(objects, volumes),
        pins=pins(objects, volumes),
        networks=_wires(objects, vm),
        images=_images(objects, volumes),
    )


def _pools(objects: Objects, volumes: Sequence[Volume]) -> tuple[str, ...]:
    default = objects.default_pool()
    fallback = default.metadata.name if default else ""
    names = {volume.status.pool or volume.spec.pool or fallback for volume in volumes}
    # its host may be on its way there
    names |= {volume.status.moving_to or "" for volume in volumes}
    return tuple(sorted(name for name in names if name))


def pins(objects: Objects, volumes: Sequence[Volume]) -> tuple[Pin, ...]:
    """Volumes whose data is on one host: those of a `dir` pool, once a host has made them by right, and those
    that go into one. One that is to be made from such a volume can be made there only.
    """
    found = []
    for named in volumes:
        kept = None if named.status.host else kept_for(objects, named)
        if isinstance(kept, Kept) and kept.host:
            found.append(Pin(named.metadata.name, kept.host))
            continue
        volume = named if named.status.host else source_volume(objects, named) or named
        if volume.status.host and is_tied(objects, volume) and not is_denied(objects, volume):
            found.append(Pin(named.metadata.name, volume.status.host))
    return tuple(found)


def _images(objects: Objects, volumes: Sequence[Volume]) -> frozenset[str]:
    """UIDs of the images that a host has to have before it can make what is not made yet."""
    found = set()
    for volume in volumes:
        named = volume.spec.source.image if volume.spec.source else None
        if named and volume.status.data != "Present":
            image = objects.get(Image, resolve_key(volume.metadata.namespace or "", named))
            found.add(image.metadata.uid if image else "")
    return frozenset(found - {""})


def _wires(objects: Objects, vm: VirtualMachine) -> tuple[str, ...]:
    """The physical networks of its NICs; a Network that is missing is NetworkReady's matter."""
    namespace = vm.metadata.namespace or ""
    networks = [objects.referred(Network, nic.network, namespace) for nic in vm.spec.nics if nic.network]
    return tuple(
        sorted({network.spec.physical.name for network in networks if network and network.spec.physical})
    )
