"""Which VMs would be better off elsewhere: the answer of the operator to `qx plan balance` and to the
dashboard.

A document as in `host_plan`: worked out when asked for, stored nowhere, members are only ever added.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from quantix_api.host_plan import API_VERSION, Misfit
from quantix_api.model import ApiModel

BALANCE = "balance"
Level = Literal["Low", "Some", "High"]
Mode = Literal["Off", "Recommend", "Automatic"]


class BetterPlace(ApiModel):
    """A VM that would be better off on another host, and why."""

    namespace: str
    name: str
    from_: str
    to: str
    reason: str
    message: str


class HostBalance(ApiModel):
    """How a host fares: pressure of CPU and memory, absent where it is not known, and how much of the memory
    that VMs may be promised there is promised.
    """

    name: str
    cpu: Level | None = None
    memory: Level | None = None
    promised_percent: int | None = None


class BalancePlan(ApiModel):
    """`held`: why nothing is moved now, whatever else is here; `moves_left`: how many may still be made in
    this hour; `misfits`: what stays that a move could have helped.
    """

    api_version: str = API_VERSION
    kind: str = "BalancePlan"
    mode: Mode
    held: str | None = None
    moves_left: int
    hosts: tuple[HostBalance, ...] = ()
    moves: tuple[BetterPlace, ...] = ()
    misfits: tuple[Misfit, ...] = ()

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """From an answer. Raises pydantic's ValidationError for anything else."""
        return cls.model_validate(document)

    def manifest(self) -> dict[str, Any]:
        """As it is sent, and shown by `-o json`; what is absent is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
