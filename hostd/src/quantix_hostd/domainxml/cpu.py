"""vCPUs, their topology, model and share of the host's CPUs."""

from __future__ import annotations

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.memory import numa_cell
from quantix_hostd.domainxml.spec import DomainSpec

HOST_PASSTHROUGH = "HostPassthrough"
PERIOD_US = 100_000
NO_QUOTA = -1


def configure_vcpus(spec: DomainSpec) -> list[Element]:
    cpu = spec.cpu
    attributes: dict[str, str | int] = {"placement": "static"}
    if cpu.cores != cpu.max_cores:
        attributes["current"] = cpu.cores
    return [element("vcpu", attributes, text=str(cpu.max_cores)), element("iothreads", text="1")]


def configure_cpu(spec: DomainSpec) -> list[Element]:
    cpu = spec.cpu
    per_socket = max(1, cpu.max_cores // (cpu.sockets * cpu.threads))
    topology = element(
        "topology", {"sockets": cpu.sockets, "dies": 1, "cores": per_socket, "threads": cpu.threads}
    )
    if cpu.model == HOST_PASSTHROUGH:
        passed = {"mode": "host-passthrough", "check": "none", "migratable": "on"}
        return [element("cpu", passed, topology, numa_cell(spec))]
    features = [element("feature", {"policy": "require", "name": name}) for name in cpu.required]
    features += [element("feature", {"policy": "disable", "name": name}) for name in cpu.disabled]
    return [
        element(
            "cpu",
            # TCG cannot promise every feature of a model, so only KVM checks
            {"mode": "custom", "match": "exact", "check": "partial" if spec.kvm else "none"},
            element("model", {"fallback": "forbid"}, text=cpu.model),
            topology,
            *features,
            numa_cell(spec),
        )
    ]


def configure_cputune(spec: DomainSpec) -> list[Element]:
    """Where libvirt has no CPU controller a domain with `<cputune>` does not start."""
    if not spec.cpu_controller:
        return []
    tune = element("cputune", {}, element("shares", text=str(spec.cpu.shares)))
    if spec.cpu.limit_millis:
        tune.append(element("global_period", text=str(PERIOD_US)))
        tune.append(element("global_quota", text=str(quota_us(spec.cpu.limit_millis))))
    return [tune]


def quota_us(limit_millis: int) -> int:
    """CPU time in each period of PERIOD_US, as libvirt's `global_quota`; NO_QUOTA for no limit."""
    return limit_millis * PERIOD_US // 1000 if limit_millis else NO_QUOTA
