"""Takes out of a guest's QEMU what a libvirtd left there that was killed while it copied disks elsewhere.

Called by `libvirt_migration` before a guest is sent. libvirt forgets what it had not written down yet, and a
node of that name keeps each later sending from beginning (`blockdev-add`: "Duplicate nodes"). Its names are
libvirt's (9.0, qemu_migration.c, qemuMigrationSrcNBDStorageCopyOne): nodes `migration-DEV-format` over
`migration-DEV-storage`, and a job `drive-ALIAS` that fills them and is kept until it is dismissed. Disks of
guests and copies to other pools have other names, and QEMU itself removes no node that anything uses.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import libvirt
import libvirt_qemu
import structlog

log = structlog.get_logger(__name__)

Monitor = Callable[[dict[str, Any]], dict[str, Any]]
"""Gives QEMU a command and returns what it answers (qemu-qmp-ref)."""

_NODE = re.compile(r"migration-(.+)-(?:format|storage)")
_RUNNING_JOBS = (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
# ten seconds together
_LOOKS, _LOOK_S = 200, 0.05


def remove_left_copies(domain: Any) -> None:
    """Nothing while libvirt does anything long with the domain itself. Raises libvirtError."""
    if domain.jobInfo()[0] in _RUNNING_JOBS:
        return

    def ask(command: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(libvirt_qemu.qemuMonitorCommand(domain, json.dumps(command), 0))
        return answer

    remove_left_nodes(ask, lambda: _aliases(domain), domain.name())


def remove_left_nodes(ask: Monitor, aliases: Callable[[], dict[str, str]], name: str) -> None:
    """`aliases`: those of the disks of the guest, by `dev`; `name` is the domain's, for the log."""
    nodes = ask({"execute": "query-named-block-nodes", "arguments": {"flat": True}}).get("return", [])
    # the format before the storage below it
    left = sorted(node["node-name"] for node in nodes if _NODE.fullmatch(node.get("node-name", "")))
    if not left:
        return
    known = aliases()
    disks = {found[1] for node in left if (found := _NODE.fullmatch(node)) is not None}
    _end_jobs(ask, {f"drive-{known[dev]}" for dev in disks if dev in known})
    for node in left:
        answer = ask({"execute": "blockdev-del", "arguments": {"node-name": node}})
        said = answer.get("error", {}).get("desc", "")
        log.warning("a copy that libvirt left is taken out", domain=name, node=node, said=said)


def _end_jobs(ask: Monitor, names: set[str]) -> None:
    """They have ended and are forgotten when this returns, or do not end."""
    for _ in range(_LOOKS):
        jobs = {job["id"]: job for job in ask({"execute": "query-jobs"}).get("return", [])}
        left = [jobs[name] for name in names & jobs.keys() if jobs[name]["type"] == "mirror"]
        if not left:
            return
        for job in left:
            if job["status"] == "concluded":
                ask({"execute": "job-dismiss", "arguments": {"id": job["id"]}})
            else:
                ask({"execute": "block-job-cancel", "arguments": {"device": job["id"], "force": True}})
        time.sleep(_LOOK_S)


def _aliases(domain: Any) -> dict[str, str]:
    found = {}
    for disk in ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/disk"):
        target, alias = disk.find("target"), disk.find("alias")
        if target is not None and alias is not None:
            found[target.get("dev", "")] = alias.get("name", "")
    return found
