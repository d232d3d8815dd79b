"""What would happen if a host went: the answer of the operator to `qx plan` and to the dashboard.

A document, not an object: it is worked out when asked for and stored nowhere. Members are only ever added
under one `apiVersion`.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from quantix_api.model import ApiModel

API_VERSION = "plan.quantix.io/v1"
KIND = "HostPlan"
Question = Literal["maintenance", "host-loss"]
Action = Literal["Migrate", "Stop", "Restart"]
QUESTIONS: tuple[Question, ...] = ("maintenance", "host-loss")


class PlannedMove(ApiModel):
    """A VM that leaves: it moves while it runs (Migrate), is shut down and started again (Stop), or is
    started anew after the loss (Restart). `to` is absent for one that is shut down and finds no place;
    `seconds`: after how many it is done; `bytes`: memory and data that are copied.
    """

    namespace: str
    name: str
    action: Action
    to: str | None = None
    bytes: int = 0
    seconds: int = 0
    reason: str | None = None
    message: str | None = None


class Misfit(ApiModel):
    """A VM that does not leave, or is not started elsewhere, and why."""

    namespace: str
    name: str
    reason: str
    message: str


class HostPlan(ApiModel):
    """`vms`: how many there are that this is about; `seconds`: after how many all is done."""

    api_version: str = API_VERSION
    kind: str = KIND
    question: Question
    host: str
    vms: int
    seconds: int
    moves: tuple[PlannedMove, ...] = ()
    misfits: tuple[Misfit, ...] = ()

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """From an answer. Raises pydantic's ValidationError for anything else."""
        return cls.model_validate(document)

    def manifest(self) -> dict[str, Any]:
        """As it is sent, and shown by `-o json`; what is absent is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
