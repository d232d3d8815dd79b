"""What of this host is for a guest that comes: what `sent_domain` compares its domain with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from quantix_hostd.claims import VolumePlace
from quantix_hostd.domainxml.view import view
from quantix_hostd.facts.domain import DomainSnapshot
from quantix_hostd.migration.coming import Coming
from quantix_hostd.migration.sent_domain import Awaited
from quantix_hostd.virtualmachine.observe_volumes import source_in_ceph
from quantix_hostd.virtualmachine.observed import disk_places
from quantix_hostd.virtualmachine.tools import VmTools


def awaited_of(tools: VmTools, vm_uid: str, coming: Coming) -> Awaited:
    """By what was noted when it was prepared for, and by how this host knows the pools now."""
    layout, facts = tools.layout, tools.facts()
    return Awaited(
        vm_uid,
        facts.cluster_uid,
        rooms=(layout.vm_run(vm_uid), layout.vm_data(vm_uid), layout.vm_log(vm_uid), *_copies(tools, coming)),
        bridge=facts.bridge,
        images=frozenset(_images(tools, coming)),
        secrets=frozenset(coming.encrypted),
    )


def with_half(coming: Coming, domain: DomainSnapshot | None) -> Coming:
    """What is to be noted of it once its half is seen: should that end here, only this tells what it had."""
    if coming.half or domain is None or not domain.live_xml:
        return coming
    return replace(coming, half=tuple(place.handle for place in disk_places(view(domain.live_xml)).values()))


def _copies(tools: VmTools, coming: Coming) -> Iterator[Path]:
    """The disk files that were made for what comes with it."""
    keys = tools.objects.pool_keys()
    for pool, handle in coming.copies:
        key = keys.get(pool)
        if isinstance(key, Path):
            yield VolumePlace(key, handle).data


def _images(tools: VmTools, coming: Coming) -> Iterator[tuple[str, str]]:
    for name, handle in coming.staying:
        pool = tools.objects.pool(name) if name else None
        source = source_in_ceph(pool, handle, tools.facts().name) if pool is not None else None
        if source is not None:
            yield source.pool, source.image
