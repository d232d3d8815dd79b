"""The frame of every kind: base model, metadata, conditions, and the way back to a manifest.

Used by one module for each kind. Models read what the API server serves (unknown members are ignored) and
are frozen; writing goes through `to_manifest`, which sends what was set and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from quantix_api.markers import Doc, Rule, Text, keyed
from quantix_api.resources import Resource
from quantix_api.scalars import Count, Message, Percent, Size, Time

_ACRONYMS = {"uid": "UID", "id": "ID", "mtu": "MTU", "tls": "TLS", "ipv6": "IPv6", "2mi": "2Mi", "1gi": "1Gi"}


def api_name(attribute: str) -> str:
    """The API's name of a Python attribute: `host_uid` is `hostUID`."""
    first, *rest = attribute.rstrip("_").split("_")
    return first + "".join(_ACRONYMS.get(part, part[:1].upper() + part[1:]) for part in rest)


class ApiModel(BaseModel):
    """A structure of the API. `RULES` are the CEL rules of its schema."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, alias_generator=api_name)
    RULES: ClassVar[tuple[Rule, ...]] = ()


class Empty(ApiModel):
    """A choice without settings, written `{}`."""


class OwnerReference(ApiModel):
    """An object whose deletion takes this one along."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(ApiModel):
    """The part of Kubernetes' object metadata that Quantix reads or writes."""

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


class Condition(ApiModel):
    """One fact about an object, with the reason for it."""

    type: Annotated[
        str, Text(64, 1, "^[A-Z][A-Za-z0-9]*$"), Doc("What the condition is about, such as Ready.")
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Doc("Whether it holds: True, False or Unknown.")]
    reason: Annotated[
        str, Text(64, 1, "^[A-Z][A-Za-z0-9]*$"), Doc("Why, in one word that programs may compare.")
    ]
    message: Annotated[Message, Doc("Why, for people, with what to do about it.")] = ""
    observed_generation: Annotated[
        Count | None, Doc("The metadata.generation of the object that this was said about.")
    ] = None
    last_transition_time: Annotated[Time | None, Doc("When status last changed.")] = None


class Progress(ApiModel):
    """How far work that takes long has come; written at most every 5 seconds."""

    percent: Annotated[Percent | None, Doc("How much is done, in percent.")] = None
    done_bytes: Annotated[Count | None, Doc("How much is done, in bytes.")] = None
    total_bytes: Annotated[Count | None, Doc("How much there is to do, in bytes.")] = None
    bytes_per_second: Annotated[Size | None, Doc("How fast it goes, as a size in each second.")] = None
    seconds_left: Annotated[Count | None, Doc("How long it will take, in seconds, at this speed.")] = None


class Status(ApiModel):
    """What every status holds."""

    observed_generation: Annotated[
        Count | None, Doc("The metadata.generation that this status is about.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...], keyed("type"), Doc("What is known of the object, one entry for each matter.")
    ] = ()

    def condition(self, condition_type: str) -> Condition | None:
        """The condition of this type, None when it is not there."""
        return next((c for c in self.conditions if c.type == condition_type), None)


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; `priority` 1 shows it in `-o wide` only."""

    name: str
    json_path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True)
class Definition:
    """How a kind is served: its resource, short names, columns and selectable fields."""

    resource: Resource
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    categories: tuple[str, ...] = ("quantix",)


def condition_column(name: str, condition_type: str, part: str, priority: int = 0) -> Column:
    """A column that shows a part (`status`, `reason`) of one condition."""
    return Column(name, f'.status.conditions[?(@.type=="{condition_type}")].{part}', priority=priority)


READY = condition_column("Ready", "Ready", "status")
REASON = condition_column("Reason", "Ready", "reason", priority=1)
PHASE = Column("Status", ".status.phase")
AGE = Column("Age", ".metadata.creationTimestamp", "date")


class ApiObject(ApiModel):
    """An object of one of our kinds."""

    DEFINITION: ClassVar[Definition]

    metadata: ObjectMeta = Field(default_factory=ObjectMeta)

    @property
    def key(self) -> str:
        """`namespace/name`, or `name` for a kind of the cluster: what caches and queues use."""
        meta = self.metadata
        return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name

    @property
    def deleting(self) -> bool:
        """Whether somebody asked for its deletion."""
        return self.metadata.deletion_timestamp is not None

    @classmethod
    def parse(cls, manifest: dict[str, Any]) -> Self:
        """The object in a dict of the API; raises pydantic's ValidationError when it is none of this kind."""
        return cls.model_validate(manifest)


def to_manifest(model: ApiModel) -> dict[str, Any]:
    """The dict that the API takes: its own names, no nulls, and only what was set.

    Left-out members stay out, so that a server-side apply owns what its sender said and nothing more.
    """
    body: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    if isinstance(model, ApiObject):
        resource = model.DEFINITION.resource
        return {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    return body
