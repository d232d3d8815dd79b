"""What goes with a namespace that is being deleted once something in it is protected no more, and what stays.

Used before a protection is taken off there. The server ends a deletion of many at the first that is refused,
so that what was never protected may run on in the namespace until then (docs/adr/0040).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from quantix_api.message_text import first_of
from quantix_api.quantities import counted
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_cli.fates import Disks, effects, is_protected
from quantix_cli.naming import shown
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden

_WORDS = ("vm", "volume", "image")
_WITH_DATA = {"volume": " with all data"}
_NAMED = 20


@dataclass(frozen=True)
class Taken:
    """`disks`: the volumes of all VMs there, by the UIDs of those; `beside`: by noun, what goes besides the
    selected, volumes of VMs left out; `kept`: the same of what stays; `hidden`: nouns that may not be listed.
    """

    disks: Disks
    beside: Mapping[str, Sequence[Manifest]]
    kept: Mapping[str, Sequence[Manifest]]
    hidden: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """`1 VM, 2 volumes` of what goes besides the selected, "" for nothing."""
        there = ((len(self.beside[word]), NOUNS[word].singular) for word in _WORDS)
        return ", ".join(counted(count, singular) for count, singular in there if count)

    def told(self, home: str | None) -> list[str]:
        """A line for each that goes besides the selected, at most some twenty, and what is to be said with
        them; `home` as for `shown`.
        """
        lines = effects(NOUNS["vm"], self.beside["vm"], self.disks, volumes=True, home=home)
        for word in ("volume", "image"):
            lines += [deleted(word, obj, home) for obj in self.beside[word]]
        more = len(lines) - _NAMED
        lines = [*lines[:_NAMED], f"and {more} more"] if more > 0 else lines
        if self.hidden:
            unseen = " and ".join(f"{NOUNS[word].singular}s" for word in self.hidden)
            lines.append(f"any other {unseen}, too, which you may not list")
        staying = [f"{NOUNS[word].singular} {shown(obj, home)}" for word in _WORDS for obj in self.kept[word]]
        if staying:
            lines.append(f"keeps {first_of(staying)}, protected; what goes may wait for that")
        return lines


def deleted(word: str, obj: Manifest, home: str | None) -> str:
    """That a volume or an image goes; `home` as for `shown`."""
    return f"deletes {word} {shown(obj, home)}{_WITH_DATA.get(word, '')}"


async def taken_along(session: Session, homes: Collection[str], going: Sequence[Manifest]) -> Taken:
    """What there is besides `going`, which are protected no more, in namespaces that are being deleted."""
    there: dict[str, list[Manifest]] = {word: [] for word in _WORDS}
    hidden = []
    for word in _WORDS:
        try:
            for home in sorted(homes):
                there[word] += (await session.api.list(NOUNS[word].resource, home)).items
        except Forbidden:
            hidden.append(word)
    return _sorted_out(there, going, tuple(hidden))


def _sorted_out(
    there: Mapping[str, Sequence[Manifest]], going: Sequence[Manifest], hidden: tuple[str, ...]
) -> Taken:
    selected = {obj["metadata"]["uid"] for obj in going}
    staying = {
        obj["metadata"]["uid"]
        for word in _WORDS
        for obj in there[word]
        if not look(obj, "metadata.deletionTimestamp")
    }
    vms = {vm["metadata"]["uid"] for vm in there["vm"]} & staying | selected
    disks: dict[str, list[Manifest]] = {}
    others: dict[str, list[Manifest]] = {word: [] for word in _WORDS}
    for word in _WORDS:
        for obj in there[word]:
            uid = obj["metadata"]["uid"]
            users = _users(obj) & vms if word == "volume" else set()
            if uid in selected:
                continue
            for user in users:
                disks.setdefault(user, []).append(obj)
            if uid in staying and not users:
                others[word].append(obj)
    beside, kept = (
        {word: [obj for obj in others[word] if is_protected(obj) == is_kept] for word in _WORDS}
        for is_kept in (False, True)
    )
    return Taken(disks, beside, kept, hidden)


def _users(volume: Manifest) -> set[str]:
    """The UIDs of the VMs that a volume was made for, goes with, or is attached to."""
    metadata = volume["metadata"]
    marked = look(volume, "metadata.labels", {}).get(LABEL_VIRTUAL_MACHINE_UID)
    named = [*metadata.get("ownerReferences", []), *look(volume, "status.attachedTo", [])]
    return {str(user.get("uid")) for user in named} | ({marked} if marked else set())
