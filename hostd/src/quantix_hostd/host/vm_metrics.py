"""Metrics of each VM, from what libvirt and the API say of it at one moment. Pure.

A figure that libvirt does not give (a guest without a balloon driver, a domain that is busy) is left out.
What a guest can influence are numbers only: every label is a name of the API or of libvirt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from quantix_api import VirtualMachine
from quantix_api import metric_table_vm as table
from quantix_api.errors import QuantixError
from quantix_api.metric import Metric
from quantix_client.instruments import Family, family
from quantix_client.reading import model_of
from quantix_hostd.domainxml.spec import vm_uid_of
from quantix_hostd.facts.domain import PAUSED_REASONS, DomainState, DomainStats
from quantix_hostd.virtualmachine.device_names import device_names

Manifest = Mapping[str, Any]

# how many of libvirt's units make one of ours
_NANOSECONDS = 1e9
_KIB = 1 / 1024
# libvirt-domain.h, virConnectGetAllDomainStats (9.0): "block.0.rd.bytes", "net.1.rx.drop", "vcpu.0.time"
_PART = re.compile(r"^(block|net|vcpu)\.(\d+)\.(.+)$")
_OF_DOMAIN: Mapping[str, tuple[Metric, float]] = {
    "cpu.time": (table.VM_CPU_SECONDS, _NANOSECONDS),
    "vcpu.current": (table.VM_VCPUS, 1.0),
    "balloon.current": (table.VM_MEMORY_ACTUAL, _KIB),
    "balloon.rss": (table.VM_MEMORY_RESIDENT, _KIB),
    "balloon.available": (table.VM_MEMORY_TOTAL, _KIB),
    "balloon.usable": (table.VM_MEMORY_USABLE, _KIB),
    "balloon.unused": (table.VM_MEMORY_FREE, _KIB),
}
_OF_PART: Mapping[tuple[str, str], tuple[Metric, float]] = {
    ("vcpu", "time"): (table.VM_VCPU_SECONDS, _NANOSECONDS),
    ("vcpu", "delay"): (table.VM_VCPU_DELAY_SECONDS, _NANOSECONDS),
    ("block", "rd.bytes"): (table.VM_DISK_READ_BYTES, 1.0),
    ("block", "wr.bytes"): (table.VM_DISK_WRITTEN_BYTES, 1.0),
    ("block", "rd.reqs"): (table.VM_DISK_READS, 1.0),
    ("block", "wr.reqs"): (table.VM_DISK_WRITES, 1.0),
    ("block", "fl.reqs"): (table.VM_DISK_FLUSHES, 1.0),
    ("block", "rd.times"): (table.VM_DISK_READ_SECONDS, _NANOSECONDS),
    ("block", "wr.times"): (table.VM_DISK_WRITE_SECONDS, _NANOSECONDS),
    ("block", "fl.times"): (table.VM_DISK_FLUSH_SECONDS, _NANOSECONDS),
    ("block", "capacity"): (table.VM_DISK_CAPACITY, 1.0),
    ("block", "allocation"): (table.VM_DISK_ALLOCATION, 1.0),
    ("net", "rx.bytes"): (table.VM_NETWORK_RECEIVED_BYTES, 1.0),
    ("net", "tx.bytes"): (table.VM_NETWORK_SENT_BYTES, 1.0),
    ("net", "rx.pkts"): (table.VM_NETWORK_RECEIVED_PACKETS, 1.0),
    ("net", "tx.pkts"): (table.VM_NETWORK_SENT_PACKETS, 1.0),
    ("net", "rx.errs"): (table.VM_NETWORK_RECEIVED_ERRORS, 1.0),
    ("net", "tx.errs"): (table.VM_NETWORK_SENT_ERRORS, 1.0),
    ("net", "rx.drop"): (table.VM_NETWORK_RECEIVED_DROPS, 1.0),
    ("net", "tx.drop"): (table.VM_NETWORK_SENT_DROPS, 1.0),
}


def vm_families(stats: Sequence[DomainStats], machines: Mapping[str, Manifest]) -> Iterator[Family]:
    """`stats` are those of domains of ours, `machines` this host's VMs by UID; a guest whose VM the API does
    not have has no namespace and no name.
    """
    families = {metric.name: family(metric) for metric in table.VM_METRICS}
    for manifest in machines.values():
        _add_object(families, manifest)
    for domain in stats:
        uid = vm_uid_of(domain.domain_name) or ""
        _add_domain(families, domain, _labels(machines.get(uid, {}), uid), machines.get(uid))
    yield from families.values()


def _labels(manifest: Manifest, uid: str) -> list[str]:
    metadata = manifest.get("metadata", {})
    return [str(metadata.get("namespace", "")), str(metadata.get("name", "")), uid]


def _add_object(families: Mapping[str, Family], manifest: Manifest) -> None:
    labels, status = _labels(manifest, manifest["metadata"]["uid"]), manifest.get("status") or {}
    if phase := status.get("phase"):
        families[table.VM_PHASE.name].add_metric([*labels, phase], 1.0)
    restarts = (status.get("runtime") or {}).get("restarts", 0)
    families[table.VM_RESTARTS.name].add_metric(labels, float(restarts))


def _add_domain(
    families: Mapping[str, Family], domain: DomainStats, labels: list[str], manifest: Manifest | None
) -> None:
    if "state.state" in domain.values:
        state = [state_of(domain), _pause_of(domain)]
        families[table.VM_STATE.name].add_metric([*labels, *state], 1.0)
    names = _names_in_spec(manifest)
    for key, value in domain.values.items():
        if key in _OF_DOMAIN:
            metric, unit = _OF_DOMAIN[key]
            families[metric.name].add_metric(labels, value / unit)
        elif (part := _PART.match(key)) and (part[1], part[3]) in _OF_PART:
            metric, unit = _OF_PART[part[1], part[3]]
            target = domain.names.get(f"{part[1]}.{part[2]}.name", part[2])
            families[metric.name].add_metric([*labels, names.get(target, target)], value / unit)


def _names_in_spec(manifest: Manifest | None) -> Mapping[str, str]:
    """See `device_names`; one strange VM must not cost the figures of all others."""
    if manifest is None:
        return {}
    try:
        return device_names(model_of(VirtualMachine, manifest))
    except (ValueError, QuantixError):
        return {}


def state_of(domain: DomainStats) -> str:
    """libvirt's word for its state, in small letters: running, paused, crashed …"""
    try:
        return DomainState(domain.values["state.state"]).name.lower()
    except (KeyError, ValueError):
        return "nostate"


def _pause_of(domain: DomainStats) -> str:
    """Why it is paused, "" when it is not."""
    reason = domain.values.get("state.reason", 0)
    if domain.values.get("state.state") != DomainState.PAUSED:
        return ""
    return PAUSED_REASONS[reason] if 0 <= reason < len(PAUSED_REASONS) else PAUSED_REASONS[0]
