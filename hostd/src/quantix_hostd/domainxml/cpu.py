"""vCPUs, their topology, model and share of the host's CPUs."""

from __future__ import annotations

from quantix_api.address_space import HOST_PASSTHROUGH
from quantix_hostd.domainxml.element import Element, element
from quantix_hostd.domainxml.memory import numa_cells
from quantix_hostd.domainxml.spec import DomainSpec
from quantix_hostd.facts.cpu_lists import format_cpus

PERIOD_US = 100_000
NO_QUOTA = -1
IOTHREAD = 1


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
    features = [element("feature", {"policy": "require", "name": name}) for name in cpu.required]
    features += [element("feature", {"policy": "disable", "name": name}) for name in cpu.disabled]
    if cpu.model == HOST_PASSTHROUGH:
        passed = {"mode": "host-passthrough", "check": "none", "migratable": "on"}
        return [element("cpu", passed, topology, *features, numa_cells(spec))]
    return [
        element(
            "cpu",
            # TCG cannot promise every feature of a model, so only KVM checks
            {"mode": "custom", "match": "exact", "check": "partial" if spec.kvm else "none"},
            element("model", {"fallback": "forbid"}, text=cpu.model),
            topology,
            *features,
            numa_cells(spec),
        )
    ]


def configure_cputune(spec: DomainSpec) -> list[Element]:
    """Where libvirt has no CPU controller a domain with `<shares>` or a quota does not start."""
    tune = element("cputune")
    if spec.cpu_controller:
        tune.append(element("shares", text=str(spec.cpu.shares)))
    if spec.cpu_controller and spec.cpu.limit_millis:
        tune.append(element("global_period", text=str(PERIOD_US)))
        tune.append(element("global_quota", text=str(quota_us(spec.cpu.limit_millis))))
    tune.extend(_pins(spec))
    return [tune] if len(tune) else []


def _pins(spec: DomainSpec) -> list[Element]:
    """Affinities of threads, which need no control group."""
    places = spec.places
    if places.whole:
        return []
    shared = format_cpus(places.shared)
    vcpus = [
        element("vcpupin", {"vcpu": number, "cpuset": format_cpus(places.of_vcpu(number))})
        for number in range(spec.cpu.max_cores)
    ]
    rest = element("emulatorpin", {"cpuset": shared})
    return [*vcpus, rest, element("iothreadpin", {"iothread": IOTHREAD, "cpuset": shared})]


def configure_numatune(spec: DomainSpec) -> list[Element]:
    """Memory from the nodes whose CPUs it has, and from no other: else the start ends."""
    nodes = spec.places.nodes
    if not (spec.mirrors_numa and nodes):
        return []
    memory = element("memory", {"mode": "strict", "nodeset": format_cpus(node.id for node in nodes)})
    cells = [
        element("memnode", {"cellid": number, "mode": "strict", "nodeset": str(node.id)})
        for number, node in enumerate(nodes)
    ]
    return [element("numatune", {}, memory, *cells)]


def quota_us(limit_millis: int) -> int:
    """CPU time in each period of PERIOD_US, as libvirt's `global_quota`; NO_QUOTA for no limit."""
    return limit_millis * PERIOD_US // 1000 if limit_millis else NO_QUOTA
