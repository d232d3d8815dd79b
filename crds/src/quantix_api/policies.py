"""What HAPolicy and SchedulingPolicy share: one object each for the cluster, named `default`."""

from __future__ import annotations

from typing import Annotated

from quantix_api.markers import Live, Range, Rule
from quantix_api.model import ApiModel


def only_default(kind: str) -> Rule:
    """The rule that there is one object of this kind."""
    return Rule("self.metadata.name == 'default'", f"there is one {kind} for the cluster, named default")


class Overcommit(ApiModel):
    """How much more may be promised than a host has."""

    cpu_percent: Annotated[
        int, Range(100, 10000), Live("vCPUs that may run, in percent of the host's CPUs.")
    ] = 400
    memory_percent: Annotated[
        int, Range(50, 1000), Live("Guest memory that may be given, in percent of the host's memory.")
    ] = 100
