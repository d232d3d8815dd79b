"""Refuses, before it is written, an address that its network gives nobody, or one for a NIC that another VM
has.

Used by `qx vm create|attach|set`, `qx floatingip create` and `qx router create`. What the account may not
look at is left to the operator, and so are the addresses of routers and of other networks on the same wire.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from quantix_api.message_text import without_promise
from quantix_api.messages import Message
from quantix_api.references import resolve_key
from quantix_api.resources import NETWORKS
from quantix_cli import fetch
from quantix_cli.exits import CommandError, Exit, refused
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.session import Session
from quantix_cli.vm.addresses import (
    AddressWish,
    has,
    holder_beside,
    in_use,
    is_address,
    not_given,
    wishes,
)
from quantix_client.errors import Forbidden, NotFound


async def refuse_addresses(
    session: Session, vm: Manifest, nics: Sequence[Manifest], before: Sequence[Manifest] = ()
) -> None:
    """Raise CommandError (6) for what `nics` of `vm` ask for, and did not ask for `before`."""
    namespace = vm["metadata"]["namespace"]
    asked = wishes(namespace, nics, before)
    if not asked:
        return
    networks = {key: await _network(session, key) for key in {wish.key for wish in asked}}
    for wish in asked:
        _refuse(not_given(wish, networks[wish.key]) if networks[wish.key] else None)
    others = await _others(session, vm)
    for wish in asked:
        uid = str(look(networks[wish.key], "metadata.uid", ""))
        beside = holder_beside(vm, nics, wish, uid)
        _refuse(in_use(wish, f"NIC {beside}") if beside else None)
        for other in others:
            _refuse(in_use(wish, _named(other)) if has(other, wish, uid) else None)


async def refuse_address(session: Session, namespace: str, wish: Manifest, path: str) -> None:
    """Raise CommandError (6) where `wish` has an `address` that its `network` gives nobody; `path`: where the
    command has it.
    """
    network, address = str(wish.get("network") or ""), wish.get("address")
    if not network or not address or not is_address(address):
        return
    key = resolve_key(namespace, network)
    found = await _network(session, key)
    _refuse(not_given(AddressWish("", network, key, address), found, path) if found else None)


def refuse_same_for_all(vms: Sequence[Manifest]) -> None:
    """Raise CommandError (2) where several VMs that are made at once would ask for one address or MAC."""
    for nic in look(vms[0], "spec.nics", []) if len(vms) > 1 else ():
        for word, only in (("address", nic.get("addresses", [""])[0]), ("mac", nic.get("mac"))):
            if only:
                said = f"{len(vms)} VMs cannot share {word} {only}."
                raise CommandError(Exit.USAGE, said, f"leave {word}= out, or a command for each VM")


def _named(vm: Manifest) -> str:
    return f"VM {vm['metadata']['namespace']}/{vm['metadata']['name']}"


async def _network(session: Session, key: str) -> Manifest:
    """{} where it is not to be seen."""
    namespace, _, name = key.partition("/")
    with contextlib.suppress(Forbidden, NotFound):
        return await session.api.get(NETWORKS, name, namespace)
    return {}


async def _others(session: Session, vm: Manifest) -> list[Manifest]:
    with contextlib.suppress(Forbidden):
        found = await fetch.visible_of(session, NOUNS["vm"]) or []
        return [one for one in found if _named(one) != _named(vm)]
    return []


def _refuse(said: Message | None) -> None:
    if said is not None:
        # nothing is written that could go on
        raise refused(said, without_promise(said.hint))
