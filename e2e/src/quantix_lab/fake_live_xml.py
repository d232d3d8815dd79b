"""What libvirt makes of a live domain's XML when it is changed while it runs; for `fake_hypervisor`."""

from __future__ import annotations

from xml.etree import ElementTree

from quantix_api.errors import TransientError

Element = ElementTree.Element


def set_link(root: Element, alias: str, *, up: bool) -> None:
    child(_device(root, alias), "link").set("state", "up" if up else "down")


def attach(root: Element, device: Element) -> None:
    if alias_of(device) in {alias_of(node) for node in root.iterfind("devices/*")}:
        raise TransientError("InternalError", f"non unique alias detected: {alias_of(device)} (code 67)")
    child(root, "devices").append(device)


def detach(root: Element, alias: str) -> None:
    child(root, "devices").remove(_device(root, alias))


def change_medium(root: Element, alias: str, path: str | None) -> None:
    drive = _device(root, alias)
    for source in drive.findall("source"):
        drive.remove(source)
    if path is not None:
        child(drive, "driver").set("type", "raw")
        ElementTree.SubElement(drive, "source", {"file": path})


def set_cpu_tune(root: Element, shares: int, quota_us: int) -> None:
    tune = child(root, "cputune")
    child(tune, "shares").text = str(shares)
    child(tune, "global_quota").text = str(quota_us)


def set_disk_limits(root: Element, target: str, iops: int, bytes_per_second: int) -> None:
    disk = root.find(f"devices/disk/target[@dev='{target}']/..")
    assert disk is not None
    for tune in disk.findall("iotune"):
        disk.remove(tune)
    tune = ElementTree.SubElement(disk, "iotune")
    for limit, value in (("total_iops_sec", iops), ("total_bytes_sec", bytes_per_second)):
        if value:
            child(tune, limit).text = str(value)


def set_memory(root: Element, requested_bytes: int, *, taken: bool) -> None:
    target = root.find("devices/memory/target")
    assert target is not None
    for field in ("requested", "current") if taken else ("requested",):
        child(target, field).text = str(requested_bytes // 1024)


def alias_of(device: Element) -> str:
    alias = device.find("alias")
    return alias.get("name", "") if alias is not None else ""


def child(node: Element, tag: str) -> Element:
    """The child of this tag, made if it is missing."""
    found = node.find(tag)
    return found if found is not None else ElementTree.SubElement(node, tag)


def _device(root: Element, alias: str) -> Element:
    return next(node for node in root.iterfind("devices/*") if alias_of(node) == alias)
