"""The kind InstanceType: a named size for VMs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from quantix_api.markers import Fixed, Live, Rule, unchanged
from quantix_api.model import AGE, REASON, ApiModel, ApiObject, Column, Definition, Status
from quantix_api.resources import INSTANCE_TYPES
from quantix_api.vm_compute import CPU, Memory


class InstanceTypeSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        unchanged(
            "cpu", "memory", message="an instance type cannot change: make a new one with another name"
        ),
        Rule(
            "has(self.cpu) && has(self.cpu.cores) && has(self.memory) && has(self.memory.size)",
            "an instance type needs cpu.cores and memory.size",
        ),
    )

    cpu: Annotated[CPU, Fixed("Virtual CPUs; cores is needed.")] = CPU()
    memory: Annotated[Memory, Fixed("Memory; size is needed.")] = Memory()
    default: Annotated[bool, Live("true: what forms and qx offer.")] = False


class InstanceType(ApiObject):
    """A size for VMs, with a name. It never changes, so VMs that use it do not either."""

    DEFINITION: ClassVar[Definition] = Definition(
        INSTANCE_TYPES,
        ("it",),
        (
            Column("CPU", ".spec.cpu.cores", "integer"),
            Column("Memory", ".spec.memory.size"),
            REASON,
            AGE,
        ),
    )

    spec: Annotated[InstanceTypeSpec, Live("What is wanted.")]
    status: Status = Status()
