"""What the operator says of an Image. Pure; called by the image controller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from quantix_api import Image
from quantix_api.facts import Fact, fact
from quantix_api.references import resolve_key

_NAMED_USERS = 16


@dataclass(frozen=True)
class Observed:
    """`pool`: the resolved pool, "" when there is none; `place`: the host that would act on it, "" for none;
    `used_by`: "namespace/Kind/name" of all users, of whatever namespace; `staying`: what it says where it
    keeps its namespace from being deleted.
    """

    image: Image
    pool: str = ""
    place: str = ""
    used_by: tuple[str, ...] = ()
    staying: Fact | None = None


@dataclass(frozen=True)
class Plan:
    """`host` is the scheduler's to write; `ready` None: hostd says it; `release`: the finalizer may go."""

    host: str | None
    users: int
    used_by: tuple[str, ...]
    ready: Fact | None = None
    release: bool = False
    staying: Fact | None = None


def plan_image(observed: Observed) -> Plan:
    image, users = observed.image, observed.used_by
    home = f"{image.metadata.namespace}/"
    # Who may read the image may not read the objects of other namespaces: those are only counted
    named = tuple(user for user in users if user.startswith(home))[:_NAMED_USERS]
    host = image.status.host
    if image.deleting:
        # Only a namespace that is deleted whole takes an image from its users (policy `deletion`)
        gone = image.status.data == "Absent" or (host is None and image.status.data is None)
        return Plan(host, len(users), named, release=gone)
    host = host or observed.place or None
    ready = None if host else _waiting(observed)
    return Plan(host, len(users), named, ready, staying=observed.staying)


def _waiting(observed: Observed) -> Fact:
    wanted = observed.image.spec.pool
    if not observed.pool:
        return fact(
            "Ready", "False", "PoolNotFound", **({"pool": wanted, "path": "spec.pool"} if wanted else {})
        )
    return fact("Ready", "Unknown", "Pending", pool=observed.pool)


def means(reference: str | None, namespace: str, image: Image) -> bool:
    """Whether `NAME` or `shared/NAME`, said in `namespace`, is this image."""
    name, home = image.metadata.name, image.metadata.namespace
    return reference is not None and resolve_key(namespace, reference) == f"{home}/{name}"


def users_of(by_vm: Iterable[str], by_volume: Mapping[str, str]) -> tuple[str, ...]:
    """`namespace/Kind/name` of the VMs that name the image, and of the Volumes made from it.

    `by_vm`: keys of VMs; `by_volume`: keys of Volumes and of the VM that each was made for ("" none). A
    Volume whose VM is in the list goes without saying.
    """
    vms = set(by_vm)
    users = {_user(key, "VirtualMachine") for key in vms}
    users |= {_user(key, "Volume") for key, vm in by_volume.items() if vm not in vms}
    return tuple(sorted(users))


def _user(key: str, kind: str) -> str:
    namespace, _, name = key.partition("/")
    return f"{namespace}/{kind}/{name}"
