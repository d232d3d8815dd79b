"""`qx vm set`: changes of a VM's spec, and what the running guest has of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from quantix_api import resources
from quantix_api.message_text import cause_of, hint_of, sentence_of
from quantix_cli import fetch
from quantix_cli.addressing import refuse_addresses
from quantix_cli.amounts import SIZE
from quantix_cli.beforehand import new_disks, refuse_oversized, refuse_unaddressable
from quantix_cli.commands.letting_go import confirm_protection
from quantix_cli.commands.selecting import UNTOUCHED, confirm_selection, refuse_no_selection, selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.homes import refuse_going
from quantix_cli.naming import reference
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.selection import Selection
from quantix_cli.session import Session, each
from quantix_cli.vm.arrival import runs
from quantix_cli.vm.changes import (
    Wanted,
    changes_memory,
    growth_refusal,
    left_for_restart,
    may_wait,
    memory_on_its_way,
    patch_of,
    told_of_groups,
    told_of_type,
)
from quantix_cli.vm.kept_wish import kept_wish, taken_back_by
from quantix_cli.waiting import until

_LOOK_S = 0.2
_SETTLED_S = 3.0
# as long as what leaves a VM is followed
_TAKEN_S = 20.0

CEILINGS = (
    click.option(
        "--max-cpu",
        type=click.IntRange(1, 710),
        metavar="N",
        help="vCPUs that it can get while it runs.",
    ),
    click.option("--max-memory", type=SIZE, metavar="SIZE", help="Memory that it can get while it runs."),
)
_SET_OPTIONS = (
    click.option("--cpu", type=click.IntRange(1, 710), metavar="N", help="vCPUs."),
    click.option("--memory", type=SIZE, metavar="SIZE", help="Memory, such as 4GiB."),
    *CEILINGS,
    click.option(
        "--type",
        "--instance-type",
        "instance_type",
        default="",
        metavar="TYPE",
        help="Says CPU and memory, instead of the two.",
    ),
    click.option(
        "--cpu-model", default="", metavar="MODEL", help="Auto, HostPassthrough, or a model of QEMU."
    ),
    click.option(
        "--grace",
        "grace_s",
        type=click.IntRange(0, 86400),
        metavar="SECONDS",
        help="How long a shutdown may take before force is used.",
    ),
    click.option("--protect/--no-protect", "protection", default=None, help="Whether it can be deleted."),
    click.option(
        "--ha",
        type=click.Choice(("OnFailure", "Always", "Never"), case_sensitive=False),
        metavar="OnFailure|Always|Never",
        default=None,
        help="When it is started again by itself.",
    ),
    click.option("--priority", type=click.IntRange(0, 1000), metavar="N", help="Higher ones start first."),
    click.option("--boot", default="", metavar="DEVICE,DEVICE", help="What it starts from, in this order."),
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="GROUP",
        help="Security group of its NICs, instead of those it has.",
    ),
    click.option("--nic", default="", metavar="NIC", help="With --group: only of this NIC."),
    click.option(
        "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label; KEY- takes it away."
    ),
    click.option("--no-wait", is_flag=True, help="Return once the API has accepted it."),
)


def set_command(_: str) -> click.Command:
    """The command `qx vm set NAME...`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="change CPU, memory, labels and more of VMs",
        examples=(
            "qx vm set web-1 --memory 4GiB --cpu 4",
            "qx vm set web-1 --max-memory 16GiB --max-cpu 8",
            "qx vm set -l app=web --group web --group monitoring",
        ),
    )
    @selecting(NOUNS["vm"])
    @write_options
    def command(invocation: Invocation, selection: Selection, no_wait: bool, **given: Any) -> int:
        """Change VMs. What the running guest cannot take waits for its next start, and is told."""
        refuse_no_selection(selection, NOUNS["vm"], "set")
        wanted = Wanted(**{key: value for key, value in given.items() if value is not None})

        async def act(session: Session) -> Exit:
            picked, _ = await fetch.selected(session, NOUNS["vm"], selection, untouched=UNTOUCHED)
            vms = list(picked.objects)
            confirm_selection("Change", picked, NOUNS["vm"], session)
            await confirm_protection(session, NOUNS["vm"], vms, wanted.protection)
            return await each(
                vms,
                lambda vm: _set(session, vm, wanted, not no_wait),
                session,
            )

        return invocation.run(act)

    return with_options(command, _SET_OPTIONS)


async def write_vm(session: Session, vm: Manifest, patch: Callable[[Manifest], Manifest]) -> Manifest | None:
    """The changed VM. Raises CommandError, with nothing sent, where the patch names what is not there (5), or
    wants more memory than any host has addresses for, larger disks than a pool can hold, or an address that
    its network does not give, or a volume to be made in a namespace that is being deleted (6).
    """
    changed = patch(vm).get("spec", {})
    had = {disk["name"] for disk in look(vm, "spec.disks", [])}
    if any(disk["name"] not in had and not disk.get("volume") for disk in changed.get("disks", [])):
        await refuse_going(session, vm["metadata"]["namespace"])
    await fetch.refuse_missing(session, vm["metadata"]["namespace"], changed, vm["spec"])
    await refuse_unaddressable(session, vm["metadata"]["name"], changed, vm["spec"])
    await refuse_oversized(session, new_disks(changed.get("disks", []), look(vm, "spec.disks", [])))
    await refuse_addresses(session, vm, changed.get("nics", []), look(vm, "spec.nics", []))
    return await session.write.change(resources.VIRTUAL_MACHINES, vm, patch)


async def _set(session: Session, vm: Manifest, wanted: Wanted, wait: bool) -> None:
    """As `_change`. Memory that no host has addresses for comes first: a higher ceiling is no way out."""
    memory = {"size": wanted.memory, "maxSize": wanted.max_memory}
    await refuse_unaddressable(
        session, vm["metadata"]["name"], {"memory": memory, "cpu": {"model": wanted.cpu_model}}, vm["spec"]
    )
    await _change(session, vm, lambda live: patch_of(live, wanted), wait)


async def _change(session: Session, vm: Manifest, patch: Callable[[Manifest], Manifest], wait: bool) -> None:
    """Write it, and say what the running guest has of it. Raises CommandError (6) where its host has no room
    for what it grows by.
    """
    name = vm["metadata"]["name"]
    changed = await write_vm(session, vm, patch)
    for line in told_of_type(vm, patch(vm)):
        session.terminal.note(session.terminal.plain(line))
    if changed is None:
        return
    for line in told_of_groups(vm, patch(vm)):
        session.terminal.note(session.terminal.plain(f"{name}: {line}"))
    generation = changed["metadata"]["generation"]
    if generation == vm["metadata"]["generation"] and changed["metadata"] == vm["metadata"]:
        session.terminal.note(f"{name} is so already.")
        return
    follow = wait and runs(changed) and may_wait(vm, changed)
    seen = await until_compared(session, changed) if follow else None
    if seen is not None and (refusal := growth_refusal(vm, changed, seen)):
        raise _not_given(vm, seen, refusal, reference(vm, "vm", session.namespace))
    left = left_for_restart(seen, vm) if seen is not None else []
    for what in left:
        session.terminal.note(session.terminal.plain(f"{name}: {what} at the next restart."))
    named = reference(vm, "vm", session.namespace)
    if left:
        session.terminal.note(f"Try: qx vm restart {named}")
    elif seen is not None and changes_memory(vm, changed) and (on_its_way := await _takes(session, seen)):
        session.terminal.note(session.terminal.plain(f"{name} changed. {sentence_of(on_its_way)}"))
        session.terminal.note(f"Try: qx vm explain {named}, which says how far it is; {hint_of(on_its_way)}")
    else:
        session.terminal.note(f"{name} changed.")


async def _takes(session: Session, vm: Manifest) -> str:
    """What is said of memory that the guest has not taken after 20 s; "" once it has it."""
    generation, metadata = vm["metadata"]["generation"], vm["metadata"]
    looks = int(_TAKEN_S / _LOOK_S)
    while (said := memory_on_its_way(vm, generation)) and looks:
        looks -= 1
        await session.clock.sleep(_LOOK_S)
        vm = await session.api.get(NOUNS["vm"].resource, metadata["name"], metadata["namespace"])
    return said


def _not_given(before: Manifest, seen: Manifest, refusal: str, named: str) -> CommandError:
    """The end of a change that was written and is not given: spec goes on asking for it."""
    said = f"{seen['metadata']['name']} is not given what was asked for: {cause_of(refusal)}."
    wish, back = ", ".join(kept_wish(seen)), taken_back_by(before, seen, named)
    hints = (hint_of(refusal), f"{back} takes it back" if back else "")
    stays = f"Its spec keeps the wish: {wish}." if wish else "Its spec keeps the wish."
    return CommandError(Exit.REFUSED, f"{said} {stays}", "; ".join(filter(None, hints)))


async def until_compared(session: Session, changed: Manifest) -> Manifest:
    """The VM once its host has compared the guest with what the operator made of the change; where the host
    is older and tells no such thing, as it is after 3 s.
    """
    noun, generation = NOUNS["vm"], changed["metadata"]["generation"]
    seen = await until(
        session, noun, changed, lambda live: look(live, "status.observedGeneration", 0) >= generation
    )
    name, namespace = seen["metadata"]["name"], seen["metadata"]["namespace"]
    looks = int(_SETTLED_S / _LOOK_S)
    while looks and look(seen, "status.runtime.resolvedGeneration", 0) < generation:
        looks -= 1
        await session.clock.sleep(_LOOK_S)
        seen = await session.api.get(noun.resource, name, namespace)
    return seen
