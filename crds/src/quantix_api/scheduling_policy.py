"""The kind SchedulingPolicy: how VMs are spread over hosts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Live, Range, Rule, SchemaDefault, keyed
from quantix_api.model import AGE, READY, REASON, ApiModel, ApiObject, Definition, Status
from quantix_api.policies import Overcommit, only_default
from quantix_api.resources import SCHEDULING_POLICIES
from quantix_api.scalars import Message, Name, Word

MOST_PER_HOST = 64
"""Migrations that a host may take part in at once."""
MOST_MOVES = 16
"""That status names."""


class Balancer(ApiModel):
    """Whether VMs are moved to even out the load."""

    mode: Annotated[
        Literal["Off", "Recommend", "Automatic"],
        Live("Recommend: moves are named in status. Automatic: they are made."),
    ] = "Recommend"
    max_moves_per_hour: Annotated[int, Range(1, 1000), Live("Most migrations that it makes in an hour.")] = 12


class MigrationLimits(ApiModel):
    """How many migrations may run at once."""

    per_host: Annotated[int, Range(1, MOST_PER_HOST), Live("Most at once from or to one host.")] = 2
    per_cluster: Annotated[int, Range(1, 1024), Live("Most at once in the cluster.")] = 8


class SchedulingPolicySpec(ApiModel):
    """What is wanted."""

    overcommit: Annotated[
        Overcommit,
        SchemaDefault({"cpuPercent": 400, "memoryPercent": 100}),
        Live("How much more may be promised than a host has; a Host may say otherwise for itself."),
    ] = Overcommit()
    balancer: Annotated[
        Balancer,
        SchemaDefault({"mode": "Recommend", "maxMovesPerHour": 12}),
        Live("Whether VMs are moved to even out the load."),
    ] = Balancer()
    migrations: Annotated[
        MigrationLimits,
        SchemaDefault({"perHost": 2, "perCluster": 8}),
        Live("How many migrations may run at once."),
    ] = MigrationLimits()


class RecommendedMove(ApiModel):
    """A VM that would be better off on another host."""

    namespace: Annotated[Name, Doc("Namespace of the VM.")]
    virtual_machine: Annotated[Name, Doc("Name of the VM.")]
    source_host: Annotated[Name, Doc("The host that it is on.")]
    target_host: Annotated[Name, Doc("The host where it would be better off.")]
    reason: Annotated[Word, Doc("Why, in one word, such as CPUPressure.")]
    message: Annotated[Message, Doc("The same as a sentence.")]


class SchedulingPolicyStatus(Status):
    """What is so."""

    moves: Annotated[
        tuple[RecommendedMove, ...],
        keyed("namespace", "virtualMachine", at_most=MOST_MOVES),
        Doc("The next moves that would even out the load or mend a rule. None while balancer.mode is Off."),
    ] = ()


class SchedulingPolicy(ApiObject):
    """How VMs are spread over hosts. There is one, named default."""

    RULES: ClassVar[tuple[Rule, ...]] = (only_default("SchedulingPolicy"),)
    DEFINITION: ClassVar[Definition] = Definition(SCHEDULING_POLICIES, ("sp",), (READY, REASON, AGE))

    spec: Annotated[SchedulingPolicySpec, Live("What is wanted.")]
    status: SchedulingPolicyStatus = SchedulingPolicyStatus()
