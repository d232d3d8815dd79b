"""Whether a volume has grown, or may, as it was asked to; the wait ends where its pool has no room for that.

Called by `qx volume resize`, and by `explain`. The volume itself stays Ready meanwhile, with the size that it
has.
"""

from __future__ import annotations

from quantix_api.conditions import condition_of, is_current
from quantix_api.message_text import cause_of, hint_of, within
from quantix_api.messages import render
from quantix_api.quantities import human_size, size_bytes
from quantix_api.resources import VIRTUAL_MACHINES, VOLUMES
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import CHANGES_TO, Manifest, look
from quantix_cli.session import Session

_LOOK_S = 0.2
# the operator answers within a moment; where it is away, nobody does
_ANSWER_S = 3.0


def what_it_waits_for(volume: Manifest) -> Manifest:
    """The condition that tells what a size waits for: Ready, made False where it tells nothing but that."""
    ready = condition_of(volume)
    return ready | {"status": "False"} if _growth_told(volume) else ready


def growth_facts(volume: Manifest) -> list[tuple[str, str]]:
    """`size  1 GiB → 2 GiB: it grows at the next start of web-1`, of a volume that is to grow. Pure."""
    has, wanted = look(volume, "status.capacity"), look(volume, "spec.size")
    if not has or not wanted or size_bytes(wanted) <= size_bytes(has):
        return []
    told = cause_of(_growth_told(volume))
    why = f": {within(told)}" if told else ""
    return [("size", f"{human_size(size_bytes(has))}{CHANGES_TO}{human_size(size_bytes(wanted))}{why}")]


def growth_hint(volume: Manifest) -> str:
    """What makes it grow, "" where nothing is to be done for that. Pure."""
    return hint_of(_growth_told(volume))


def _growth_told(volume: Manifest) -> str:
    """What its host says of the growth, where it says nothing else of the volume."""
    ready = condition_of(volume)
    message = str(ready.get("message", ""))
    is_well = ready.get("status") == "True" and ready.get("reason") == "Available"
    return message if is_well and message != render("Available").text else ""


def is_grown(volume: Manifest, size: str) -> bool:
    """Whether a volume, as it is now, has `size`. Raises CommandError (1) while that is refused."""
    if size_bytes(look(volume, "status.capacity", "0")) >= size_bytes(size):
        return True
    _answer(volume, size)
    return False


async def is_granted(session: Session, volume: Manifest, vm: Manifest | None, size: str) -> bool:
    """Whether the pool lets `volume` have `size`, as the operator says it within 3 s of the write; False: it
    says nothing. `vm` is the one whose disk says the size, as it was written; None: the volume's spec does.

    Raises CommandError (1) where there is no room.
    """
    begun_s = session.clock.monotonic()
    name, namespace = volume["metadata"]["name"], volume["metadata"].get("namespace")
    while True:
        # the VM first: what is said of it comes after its volumes were changed
        told = await session.api.get(VIRTUAL_MACHINES, vm["metadata"]["name"], namespace) if vm else None
        seen = await session.api.get(VOLUMES, name, namespace)
        if _is_known(seen, size, of_vm=vm is not None):
            return True
        if told is not None and vm is not None:
            _refuse_full(seen, condition_of(told, "VolumesReady"), vm["metadata"]["generation"])
        elif _answer(seen, size):
            return True
        if session.clock.monotonic() - begun_s > _ANSWER_S:
            return False
        await session.clock.sleep(_LOOK_S)


def _is_known(volume: Manifest, size: str, *, of_vm: bool) -> bool:
    """Whether it has that much already, or a disk's wish has become its own: only what has room does."""
    has = [look(volume, "status.capacity"), look(volume, "spec.size") if of_vm else None]
    return any(size_bytes(known) >= size_bytes(size) for known in has if known)


def _answer(volume: Manifest, size: str) -> bool:
    """Whether its pool has room for the size that its own spec asks for, as far as it was said. Raises
    CommandError (1) where that is refused.
    """
    generation = volume["metadata"].get("generation", 0)
    if size_bytes(look(volume, "spec.size", "0")) != size_bytes(size):
        return False
    # what has no data asks for all of its room, and Ready says whether it gets it
    said = condition_of(volume, "SizeGranted" if look(volume, "status.capacity") else "Ready")
    _refuse_full(volume, said, generation)
    return bool(said) and is_current(said, generation)


def _refuse_full(volume: Manifest, said: Manifest, generation: int) -> None:
    if said.get("status") != "False" or said.get("reason") != "PoolFull" or not is_current(said, generation):
        return
    name, cause = volume["metadata"]["name"], cause_of(str(said.get("message", "")))
    told = f"{name} keeps its size: {cause}. It grows by itself once there is room."
    if not look(volume, "status.capacity"):
        told = f"{name} is not made yet: {cause}. It is made by itself once there is room."
    smaller = f"qx volume resize {name} SIZE, with less"
    raise CommandError(Exit.FAILED, told, hint_of(str(said.get("message", ""))) or smaller)
