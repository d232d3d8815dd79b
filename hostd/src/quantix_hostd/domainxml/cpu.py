"""vCPUs, their topology, model and share of the host's CPUs."""

from __future__ import annotations

from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.spec import DomainSpec

HOST_PASSTHROUGH = "HostPassthrough"
# cpu.weight of cgroup v2 (and libvirt's <shares> there) ends at 10000: kernel, admin-guide/cgroup-v2
MAX_SHARES = 10_000


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
        return [element("cpu", {"mode": "host-passthrough", "check": "none", "migratable": "on"}, topology)]
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
        )
    ]


def configure_cputune(spec: DomainSpec) -> list[Element]:
    """Shares only when a user asked: `<cputune>` needs the controllers delegated to libvirtd."""
    if spec.cpu.weight == 100:
        return []
    shares = min(MAX_SHARES, spec.cpu.weight * spec.cpu.max_cores)
    return [element("cputune", {}, element("shares", text=str(shares)))]
