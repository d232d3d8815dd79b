"""Where a VirtualMachine may run, how it moves, and what happens when its host fails."""

from __future__ import annotations

from typing import Annotated, Literal

from quantix_api.markers import Entries, Live, NotBuilt, Range, Text, distinct, keyed, ordered
from quantix_api.model import ApiModel
from quantix_api.scalars import LabelValue, Name, Size


class AffinityTerm(ApiModel):
    """Other VMs of the namespace, and how strongly to be near them or away from them."""

    vm_selector: Annotated[dict[str, LabelValue], Entries(8), Live("Labels of the other VMs.")]
    topology_key: Annotated[
        str, Text(253, 1), Live("Label of Hosts that says what near means. Absent: quantix.io/host.")
    ] = "quantix.io/host"
    strength: Annotated[
        Literal["Required", "Preferred"], Live("Required: else the VM waits. Absent: Required.")
    ] = "Required"


class Toleration(ApiModel):
    """A taint of hosts that the VM puts up with."""

    key: Annotated[str, Text(63, 1), Live("Key of the taint.")]
    value: Annotated[LabelValue | None, Live("Value of the taint. Absent: any.")] = None


class Placement(ApiModel):
    """Which hosts may run the VM. A running VM that breaks a rule is moved or reported."""

    host_selector: Annotated[
        dict[str, LabelValue],
        Entries(),
        Live(
            "Labels that a Host must have; also quantix.io/host, its name, and quantix.io/arch and "
            "quantix.io/cpu-vendor, such as x86_64 and GenuineIntel."
        ),
    ] = {}  # noqa: RUF012 - pydantic copies it
    affinity: Annotated[tuple[AffinityTerm, ...], ordered(8), Live("VMs to be near to.")] = ()
    anti_affinity: Annotated[tuple[AffinityTerm, ...], ordered(8), Live("VMs to stay away from.")] = ()
    tolerations: Annotated[
        tuple[Toleration, ...], keyed("key"), Live("Taints of hosts that do not keep the VM away.")
    ] = ()


class MigrationSettings(ApiModel):
    """How the VM moves to another host while it runs."""

    on_maintenance: Annotated[
        Literal["Migrate", "Stop", "Block"],
        Live("What happens when its host goes into maintenance; Block: the host waits for a person."),
    ] = "Migrate"
    auto_converge: Annotated[
        bool,
        Live("true: the guest is slowed down when it changes memory faster than it is copied."),
    ] = True
    post_copy: Annotated[
        bool,
        Live(
            "true: where copying does not come to an end, the VM switches hosts before all memory is copied; "
            "a network or host that fails before the rest has followed then restarts it. Only with all disks "
            "in shared pools."
        ),
    ] = False
    max_downtime_milliseconds: Annotated[
        int, Range(10, 60000), Live("Longest stop at the switch, in milliseconds.")
    ] = 300
    timeout_seconds: Annotated[
        int,
        Range(10, 86400),
        Live("How long a migration may take to begin, and then to copy, before it is given up, in seconds."),
    ] = 1800
    bytes_per_second: Annotated[
        Size | None, Live("Most data in a second, such as 1Gi. Absent: no limit.")
    ] = None


class HighAvailability(ApiModel):
    """What happens when QEMU, the guest or the host fails."""

    restart: Annotated[
        Literal["OnFailure", "Always", "Never"],
        Live(
            "OnFailure: start again when QEMU, guest or host failed. "
            "Always: also after the guest powered itself off."
        ),
    ] = "OnFailure"
    on_host_isolated: Annotated[
        Literal["Wait", "Restart"],
        Live(
            "When only the network of its host failed. "
            "Wait: leave it running. Restart: stop it, start elsewhere."
        ),
        NotBuilt(),
    ] = "Wait"
    priority: Annotated[
        int,
        Range(0, 1000),
        Live(
            "Of VMs that start at once, or wait for room, higher ones are first. Below 100: ended before "
            "others when memory runs out."
        ),
    ] = 100
    after: Annotated[
        tuple[Name, ...],
        distinct(),
        Live("VMs of this namespace that must be Ready before this one starts."),
    ] = ()
    after_timeout_seconds: Annotated[
        int,
        Range(0, 3600),
        Live("How long to wait for them, in seconds, before starting anyway."),
    ] = 120
