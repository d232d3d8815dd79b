"""What is asked before `qx vm stop|restart|reset|start|pause|resume`, and what is told then."""

from __future__ import annotations

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of
from quantix_cli.commands.selecting import confirm_selection
from quantix_cli.naming import shown
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.questions import confirm
from quantix_cli.selection import Picked
from quantix_cli.session import Session

# reasons of Ready under which a start waits for somebody; a guest that runs goes on
_BARS_START = frozenset(
    {
        *("ConfigRefused", "IdentityConflict", "InstanceTypeNotFound", "SecretNotFound", "PassphraseWrong"),
        *("VolumeNotFound", "VolumeConflict", "ImageNotFound", "PoolNotFound", "DataMissing", "DataDamaged"),
    }
)
BY_FORCE = {
    "stop": "Pull the plug?",
    "restart": "Pull the plug and start anew?",
    "reset": "Press the reset button?",
}


def ask_first(session: Session, picked: Picked, verb: str, *, by_force: bool) -> None:
    """Show what would happen, where that may not be what is wanted, and ask. `by_force`: the guest is not
    asked. Raises CommandError.
    """
    vms, terminal, sure = picked.objects, session.terminal, session.assume_yes
    named = [(vm, shown(vm, session.namespace)) for vm in vms]
    barred = [why for vm, name in named if (why := _start_bar(vm, name))] if verb == "restart" else []
    # what is off has nothing to lose, and yet is stopped or started, too
    lost = [f"{name} loses what it has not saved" for vm, name in named if _may_lose(vm)]
    others = [name for vm, name in named if not _may_lose(vm)] if not picked.typed_out else []
    if by_force and lost:
        told, question = [*barred, *lost, *others], BY_FORCE[verb]
        confirm(question, told, assume_yes=sure, terminal=terminal, always_told=barred)
        return
    confirm_selection(verb.capitalize(), picked, NOUNS["vm"], session)
    if barred:
        confirm("Restart anyway?", barred, assume_yes=sure, terminal=terminal, always_told=barred)


def _may_lose(vm: Manifest) -> bool:
    """Whether it has a guest, or a host that may have one of it."""
    if look(vm, "status.runtime.domain") == "Present":
        return True
    off = condition_of(vm).get("reason") in ("Stopped", "GuestShutdown")
    return not off and bool(look(vm, "status.assignment.host"))


def _start_bar(vm: Manifest, name: str) -> str:
    """Why a guest that runs would not start again, as far as that is known; "" for nothing."""
    ready = condition_of(vm)
    reason, runs = ready.get("reason"), look(vm, "status.runtime.domain") == "Present"
    if not runs or ready.get("status") != "False" or reason not in _BARS_START:
        return ""
    why = cause_of(str(ready.get("message", "")))
    return f"{name} runs, and would not start again: {why} ({reason})"
