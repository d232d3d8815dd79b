"""What is there after a `create` or an `attach` whose wait came to nothing, and what to type to mend or to
remove it: without a word of it the next try only meets its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from quantix_api.conditions import condition_of
from quantix_cli.ending import EndedError
from quantix_cli.exits import CommandError
from quantix_cli.nouns import Manifest, Noun, look

_OF_NICS = frozenset({"AddressOutsideSubnet", "AddressReserved", "AddressInUse", "MACInUse"})


@contextmanager
def telling_what_stays(noun: Noun, named: str) -> Iterator[None]:
    """Turns the end of a wait for a new object, `named` as commands name it, into one that says so."""
    try:
        yield
    except EndedError as ended:
        mends = _nic_hint(ended.obj, named) if noun.word == "vm" else ""
        away = f"qx {noun.word} delete {named}"
        raise _told(ended, f"{stays(noun, named)}.", mends, away, "removes it") from ended


def stays(noun: Noun, named: str) -> str:
    """`Image mine stays`, as messages begin; `named` as commands name it."""
    return f"{noun.singular[0].upper()}{noun.singular[1:]} {named} stays"


def removal(noun: Noun, named: str) -> str:
    """`qx image delete mine removes it`."""
    return f"qx {noun.word} delete {named} removes it"


@contextmanager
def telling_what_stays_in(vm: str, device: str) -> Iterator[None]:
    """The same for a device of a VM, by their names."""
    try:
        yield
    except EndedError as ended:
        away = f"qx vm detach {vm} {device}"
        raise _told(ended, f"Device {device} stays in {vm}.", "", away, "takes it out") from ended


def _told(ended: EndedError, left: str, mends: str, away: str, does: str) -> CommandError:
    """With what is left, unless it goes on by itself, and how it is mended or goes `away`."""
    said = ended.message if ended.goes_on else f"{ended.message} {left}"
    hint = mends or ended.hint
    return CommandError(ended.exit_code, said, hint if away in hint else f"{hint}; {away} {does}")


def _nic_hint(vm: Manifest, named: str) -> str:
    """How a NIC gets another address or MAC: there is no option of `qx vm set` for them."""
    reason = condition_of(vm).get("reason")
    if reason not in _OF_NICS:
        return ""
    wanted = "mac" if reason == "MACInUse" else "addresses"
    meant = [nic for nic in look(vm, "spec.nics", []) if nic.get(wanted)]
    nic, network = ("NIC", "NETWORK") if len(meant) != 1 else (meant[0]["name"], meant[0]["network"])
    other = "" if wanted == "mac" else ",address=ANOTHER"
    return f"qx vm detach {named} {nic}, then qx vm attach {named} --network {network}{other}"
