"""Which Volumes are still to be made from another one, or from a snapshot. Pure, on the API's manifests.

hostd keeps the data of a Volume that is deleted until there are none (docs/adr/0037); qx tells of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Manifest = Mapping[str, Any]


def unmade_copies(source: Manifest, volumes: Iterable[Manifest]) -> tuple[str, ...]:
    """The names of those of `volumes`, of whatever namespace, that `source` is still to give its data to:
    they name it, are in its namespace, have no data yet, and nobody deletes them.

    A copy that would hold in the clear what its source keeps encrypted is refused for good (ConfigRefused)
    and needs nothing.
    """
    namespace, name = source["metadata"].get("namespace"), source["metadata"]["name"]
    encrypted = "encryption" in (source.get("spec") or {})
    return tuple(
        sorted(
            str(volume["metadata"]["name"])
            for volume in volumes
            if volume["metadata"].get("namespace") == namespace
            and volume["metadata"]["name"] != name
            and ((volume.get("spec") or {}).get("source") or {}).get("volume") == name
            and (volume.get("status") or {}).get("data") != "Present"
            and not volume["metadata"].get("deletionTimestamp")
            and (not encrypted or "encryption" in volume["spec"])
        )
    )


def unmade_from_snapshot(snapshot: Manifest, volumes: Iterable[Manifest]) -> tuple[str, ...]:
    """The same of a VirtualMachineSnapshot, by its manifest."""
    namespace, name = snapshot["metadata"].get("namespace"), snapshot["metadata"]["name"]
    disks = {disk["name"]: disk for disk in (snapshot.get("status") or {}).get("disks") or ()}
    return tuple(
        sorted(
            str(volume["metadata"]["name"])
            for volume in volumes
            if volume["metadata"].get("namespace") == namespace
            and (kept := _named_in(volume)).get("name") == name
            and (disk := disks.get(kept.get("disk"))) is not None
            and (volume.get("status") or {}).get("data") != "Present"
            and not volume["metadata"].get("deletionTimestamp")
            and (not disk.get("encrypted") or "encryption" in volume["spec"])
        )
    )


def _named_in(volume: Manifest) -> Mapping[str, Any]:
    source = (volume.get("spec") or {}).get("source") or {}
    return source.get("snapshot") or {}
