"""What ends a wait before what is waited for has come: what only a change helps, what others have to give up
first, and a file that its server does not give.

Used by `waiting`. The object stays, and whoever made it says so (`left_behind`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from quantix_api.conditions import condition_of, is_current
from quantix_api.message_text import cause_of, hint_of, without_promise
from quantix_api.references import resolve_key
from quantix_api.resources import IMAGES
from quantix_cli.exits import CommandError, Exit
from quantix_cli.mentions import mentions
from quantix_cli.nouns import Manifest, Noun, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound

TAKEN = frozenset({"PoolFull", "AddressInUse", "MACInUse", "AddressesExhausted"})
"""Reasons that last until somebody gives up what is wanted: nothing comes of it while one waits."""
_OF_FLOATING_IPS = frozenset({"NICInUse", "NICNotFound", "NoRoute", "NoSubnet", "VirtualMachineNotFound"})
_OF_NETWORKS = frozenset(
    {"AddressOutsideSubnet", "AddressReserved", "PhysicalNetworkUnknown", "SubnetOverlap", "UnderlayTooSmall"}
)
IN_VAIN = _OF_FLOATING_IPS | _OF_NETWORKS
"""Reasons that last until somebody changes it, or what it leads to or lies on."""
ONCE_DONE = "It goes on by itself once that is done."
_ONCE_IT_COMES = "It goes on by itself once the file comes."
_UNREACHABLE = "ImageUnreachable"


@dataclass(frozen=True)
class End:
    """Why a wait is over: a condition's `message`. `goes_on` says when the work does; "": it will not."""

    message: str
    goes_on: str = ""

    def error(self, code: Exit, obj: Manifest, hint: str) -> EndedError:
        """It as the end of a command that waited for `obj`; `hint` where the message gives none."""
        said, help_ = f"{cause_of(self.message)}.", hint_of(self.message)
        if self.goes_on:
            said = f"{obj['metadata']['name']} waits: {said} {self.goes_on}"
            # once is enough
            help_ = without_promise(help_)
        return EndedError(code, said, help_ or hint, obj, goes_on=bool(self.goes_on))


class EndedError(CommandError):
    """A wait that is over though `obj`, as it was last seen, is not what was asked for."""

    def __init__(self, code: Exit, message: str, hint: str, obj: Manifest, *, goes_on: bool) -> None:
        super().__init__(code, message, hint)
        self.obj = obj
        self.goes_on = goes_on


def is_stalled(obj: Manifest, generation: int) -> bool:
    """Whether nothing but a change of spec helps; what an earlier generation said was of an earlier spec."""
    said = condition_of(obj, "Stalled")
    return said.get("status") == "True" and is_current(said, generation)


def stalled_end(obj: Manifest, generation: int) -> End | None:
    """That nothing but a change helps it; of what it waits for, nothing."""
    return End(str(condition_of(obj).get("message", ""))) if is_stalled(obj, generation) else None


def end_of(obj: Manifest, generation: int) -> End | None:
    """What its Ready says, where that ends a wait for it."""
    if (end := stalled_end(obj, generation)) or _says(obj, generation) not in TAKEN | IN_VAIN:
        return end
    return End(str(condition_of(obj).get("message", "")), ONCE_DONE)


def move_end(volume: Manifest, pool: str) -> End | None:
    """What ends the wait for a volume that is to go to `pool`, once spec says so."""
    if look(volume, "spec.pool") != pool:
        return None
    generation, said = volume["metadata"]["generation"], condition_of(volume, "MoveGranted")
    if said.get("status") == "False" and said.get("reason") in TAKEN and is_current(said, generation):
        return End(str(said.get("message", "")), ONCE_DONE)
    if said.get("reason") == "ConfigRefused" and is_current(said, generation):
        return End(str(said.get("message", "")))
    return stalled_end(volume, generation)


async def never_came(session: Session, noun: Noun, obj: Manifest, generation: int) -> End | None:
    """Whether it waits for an image of which its server has given nothing: neither a little later, nor until
    somebody mends its address. A download that broke off has left something, and goes on.
    """
    if _says(obj, generation) != _UNREACHABLE:
        return None
    images = [obj] if noun.resource is IMAGES else await _images_of(session, obj)
    if any(_gave_nothing(image) for image in images):
        return End(str(condition_of(obj).get("message", "")), _ONCE_IT_COMES)
    return None


async def _images_of(session: Session, obj: Manifest) -> list[Manifest]:
    """Those that its spec names, as far as they are to be seen."""
    found = []
    for mention in mentions(obj["spec"]):
        namespace, _, name = resolve_key(obj["metadata"].get("namespace"), mention.name).partition("/")
        if mention.noun == "image":
            with contextlib.suppress(Forbidden, NotFound):
                found.append(await session.api.get(IMAGES, name, namespace))
    return found


def _gave_nothing(image: Manifest) -> bool:
    return condition_of(image).get("reason") == _UNREACHABLE and look(image, "status.data") != "Present"


def _says(obj: Manifest, generation: int) -> str:
    """The reason for which it is not Ready, as of that generation; "" for none."""
    ready = condition_of(obj)
    lacks = ready.get("status") == "False" and is_current(ready, generation)
    return str(ready.get("reason", "")) if lacks else ""
