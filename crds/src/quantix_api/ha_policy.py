"""The kind HAPolicy: how failures of hosts are noticed and answered."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Live, NotBuilt, Range, Rule, SchemaDefault, ordered
from quantix_api.model import AGE, READY, REASON, ApiModel, ApiObject, Definition, Status
from quantix_api.policies import only_default
from quantix_api.resources import HA_POLICIES


class Detection(ApiModel):
    """When a silent host counts as failed."""

    suspect_seconds: Annotated[
        int, Range(2, 600), Live("Silence, in seconds, after which a host is suspected.")
    ] = 5
    failed_seconds: Annotated[
        int, Range(3, 600), Live("Silence, in seconds, after which a host counts as failed.")
    ] = 8
    storage_lost_seconds: Annotated[
        int, Range(5, 3600), Live("How long a host may be without its storage, in seconds.")
    ] = 30


class Fencing(ApiModel):
    """How it is made certain that a failed host cannot write."""

    order: Annotated[
        tuple[Literal["RBDBlocklist", "Redfish", "IPMI"], ...], ordered(3), Live("Ways, tried in this order.")
    ] = ("RBDBlocklist", "Redfish", "IPMI")
    timeout_seconds: Annotated[int, Range(5, 600), Live("How long each way may take, in seconds.")] = 30


class Flap(ApiModel):
    """When a host that fails again and again gets no new VMs."""

    window_seconds: Annotated[int, Range(60, 86400), Live("The time looked back over, in seconds.")] = 3600
    fences: Annotated[int, Range(1, 100), Live("Fencings in that time that are too many.")] = 3
    suspects: Annotated[int, Range(1, 1000), Live("Suspicions in that time that are too many.")] = 10


class HAPolicySpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.detection.failedSeconds > self.detection.suspectSeconds",
            "detection.failedSeconds must be above detection.suspectSeconds",
        ),
    )

    host_failures_to_tolerate: Annotated[
        int, Range(0, 16), Live("Hosts whose VMs the others must have room for.")
    ] = 1
    detection: Annotated[
        Detection,
        SchemaDefault({"suspectSeconds": 5, "failedSeconds": 8, "storageLostSeconds": 30}),
        Live("When a silent host counts as failed."),
    ] = Detection()
    fencing: Annotated[
        Fencing,
        SchemaDefault({"order": ["RBDBlocklist", "Redfish", "IPMI"], "timeoutSeconds": 30}),
        Live("How it is made certain that a failed host cannot write."),
    ] = Fencing()
    flap: Annotated[
        Flap,
        SchemaDefault({"windowSeconds": 3600, "fences": 3, "suspects": 10}),
        Live("When a host that fails again and again gets no new VMs."),
    ] = Flap()


class HAPolicy(ApiObject):
    """How failures of hosts are noticed and answered. There is one, named default."""

    RULES: ClassVar[tuple[Rule, ...]] = (only_default("HAPolicy"),)
    DEFINITION: ClassVar[Definition] = Definition(HA_POLICIES, ("hap",), (READY, REASON, AGE))

    spec: Annotated[HAPolicySpec, Live("What is wanted."), NotBuilt()]
    status: Status = Status()
