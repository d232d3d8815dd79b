"""Who uses an image, as far as whoever asks may read it.

Called for `qx image explain`. The status of a shared image only counts the users of other namespaces, since
everybody reads it (ADR 0015); an administrator is told who they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quantix_api.references import resolve_key
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, VIRTUAL_MACHINES, VOLUMES
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden


async def with_users(session: Session, image: Manifest) -> Manifest:
    """The image with all its users in status.usedBy; as it is for who may not read every namespace."""
    told: Sequence[str] = look(image, "status.usedBy", [])
    if look(image, "status.users", 0) <= len(told):
        return image
    try:
        machines = (await session.api.list(VIRTUAL_MACHINES)).items
        volumes = (await session.api.list(VOLUMES)).items
    except Forbidden:
        return image
    return {**image, "status": {**image["status"], "usedBy": users_of(image, machines, volumes)}}


def users_of(image: Manifest, machines: Iterable[Manifest], volumes: Iterable[Manifest]) -> list[str]:
    """`namespace/Kind/name` of the VMs that name the image, and of Volumes made from it for no VM. Pure."""
    key = f"{image['metadata']['namespace']}/{image['metadata']['name']}"
    found = [
        _user(vm)
        for vm in machines
        for part in (*look(vm, "spec.disks", []), *look(vm, "spec.cdroms", []))
        if _means(part.get("image"), vm, key)
    ]
    found += [
        _user(volume)
        for volume in volumes
        if _means(look(volume, "spec.source.image"), volume, key)
        and not look(volume, "metadata.annotations", {}).get(ANNOTATION_VIRTUAL_MACHINE)
    ]
    return sorted(set(found))


def _means(reference: str | None, where: Manifest, key: str) -> bool:
    return reference is not None and resolve_key(where["metadata"]["namespace"], reference) == key


def _user(obj: Manifest) -> str:
    return f"{obj['metadata']['namespace']}/{obj['kind']}/{obj['metadata']['name']}"
