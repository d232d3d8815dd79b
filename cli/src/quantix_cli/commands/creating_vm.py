"""`qx vm create`: a VM from an image, with what the platform offers where nothing is said."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from quantix_api import resources
from quantix_cli import fetch
from quantix_cli.addressing import refuse_addresses, refuse_same_for_all
from quantix_cli.amounts import SIZE
from quantix_cli.beforehand import refuse_oversized, refuse_unaddressable
from quantix_cli.commands.changing_vm import CEILINGS
from quantix_cli.commands.making import name_taken
from quantix_cli.destinations import of_disks, refuse_placeless, tell_short
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.homes import refuse_going
from quantix_cli.left_behind import telling_what_stays
from quantix_cli.measures import duration
from quantix_cli.naming import new_name, reference
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.questions import choose
from quantix_cli.session import Session, each
from quantix_cli.taking_over import as_it_comes, ask_taken_over, old_data
from quantix_cli.vm.defaults import offered
from quantix_cli.vm.given_files import own_keys, public_key, user_data_of
from quantix_cli.vm.media import refuse_disk, refuse_medium
from quantix_cli.vm.wish import Choice, Wish, manifest, told
from quantix_cli.waiting import is_ready, until
from quantix_client.errors import AlreadyExists, Forbidden

_MOST_AT_ONCE = 100
_POOL_OPTION = "--pool POOL, and of further disks --disk SIZE,pool=POOL"

_OPTIONS = (
    click.option(
        "--image", default="", metavar="IMAGE", help="What its disk is made from: NAME or shared/NAME."
    ),
    click.option(
        "--iso",
        default="",
        metavar="IMAGE",
        help="A medium to install from; without --image on an empty disk.",
    ),
    click.option(
        "--type",
        "--instance-type",
        "instance_type",
        default="",
        metavar="TYPE",
        help="Says CPU and memory; default: the one marked default.",
    ),
    click.option(
        "--cpu", type=click.IntRange(1, 710), metavar="N", help="vCPUs; with --memory, instead of a type."
    ),
    click.option("--memory", type=SIZE, metavar="SIZE", help="Memory, such as 4GiB; with --cpu."),
    *CEILINGS,
    click.option(
        "--size",
        type=SIZE,
        metavar="SIZE",
        help="Size of the root disk; default: 20GiB, or the image's.",
    ),
    click.option(
        "--pool", default="", metavar="POOL", help="Pool of the root disk; default: the default one."
    ),
    click.option(
        "--disk", "disks", multiple=True, metavar="SIZE[,pool=P][,name=N]", help="One more, empty disk."
    ),
    click.option(
        "--network",
        "networks",
        multiple=True,
        metavar="NET[,address=A][,mac=M]",
        help="A NIC in this network; default: the default one; none: no NIC.",
    ),
    click.option("--group", "groups", multiple=True, metavar="GROUP", help="Security group of its NICs."),
    click.option(
        "--ssh-key",
        "key_files",
        multiple=True,
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Public key that may log in; default: the first of ~/.ssh/*.pub.",
    ),
    click.option("--no-ssh-key", is_flag=True, help="No key."),
    click.option(
        "--user-data",
        "user_data_file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="cloud-init's user data.",
    ),
    click.option("--user-data-secret", default="", metavar="SECRET[/KEY]", help="The same, from a Secret."),
    click.option(
        "--os",
        type=click.Choice(("Linux", "Windows", "Other"), case_sensitive=False),
        metavar="Linux|Windows|Other",
        default="Linux",
        help="Kind of guest. Windows: UEFI, Secure Boot and TPM.",
    ),
    click.option(
        "--firmware",
        type=click.Choice(("BIOS", "UEFI"), case_sensitive=False),
        metavar="BIOS|UEFI",
        help="What it starts with.",
    ),
    click.option("--secure-boot", is_flag=True, help="Only signed boot loaders; with UEFI."),
    click.option("--tpm", is_flag=True, help="A TPM 2.0."),
    click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label (repeatable)."),
    click.option(
        "--host-selector", multiple=True, metavar="KEY=VALUE", help="Only on hosts with this label."
    ),
    click.option(
        "--anti-affinity", multiple=True, metavar="KEY=VALUE", help="Not beside VMs with this label."
    ),
    click.option("--stopped", is_flag=True, help="Do not start it."),
    click.option(
        "--count", type=click.IntRange(1, _MOST_AT_ONCE), metavar="N", help="Make NAME-1 to NAME-N."
    ),
    click.option("--no-wait", is_flag=True, help="Return once the API has accepted it."),
)


def create_command(_: str) -> click.Command:
    """The command `qx vm create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="make a VM from an image and start it",
        examples=(
            "qx vm create web-1 --image shared/tiny",
            "qx vm create db-1 --image debian-13 --cpu 4 --memory 8GiB --disk 100GiB --group db",
            "qx vm create web-1 --image shared/tiny --dry-run -o yaml > web-1.yaml",
        ),
    )
    @click.argument("names", nargs=-1, required=True, metavar="NAME")
    @write_options
    def command(
        invocation: Invocation, names: tuple[str, ...], count: int | None, no_wait: bool, **given: Any
    ) -> int:
        """Make a VM from an image, start it, and wait until it runs."""
        word = new_name(_only(names), "vm").name
        wish = _wish(invocation, **given)
        made = [word] if count is None else [f"{word}-{number}" for number in range(1, count + 1)]

        async def act(session: Session) -> Exit:
            return await _create(session, made, wish, wait=not no_wait)

        return invocation.run(act)

    return with_options(command, _OPTIONS)


def _only(names: Sequence[str]) -> str:
    """The one name. Raises CommandError (2) for several, with how several VMs are made."""
    if len(names) == 1:
        return names[0]
    said = f"The command takes one name, and {', '.join(names)} are {len(names)}."
    hint = f"one command for each, or --count {len(names)}, which makes NAME-1 to NAME-{len(names)}"
    raise CommandError(Exit.USAGE, said, hint)


def _wish(
    invocation: Invocation,
    *,
    key_files: Sequence[Path],
    no_ssh_key: bool,
    user_data_file: Path | None,
    **given: Any,
) -> Wish:
    """What was asked for, with what its files hold."""
    said = {key: value for key, value in given.items() if value is not None}
    if not said["image"] and not said["iso"]:
        raise CommandError(
            Exit.USAGE,
            "From what? --image or --iso is missing.",
            "qx image list, qx image list 'shared/*'",
        )
    files = () if no_ssh_key else tuple(key_files) or own_keys(invocation.settings.home)
    user_data = user_data_of(user_data_file) if user_data_file else ""
    keys = tuple(public_key(path) for path in files)
    return Wish(keys=keys, user_data=user_data, **said)


async def _create(session: Session, names: Sequence[str], wish: Wish, *, wait: bool) -> Exit:
    namespace = session.namespace
    if namespace is None:
        raise CommandError(Exit.USAGE, "In which namespace is the VM to be?", "-n NAMESPACE")
    await refuse_going(session, namespace)
    choice = await _choice(session, namespace, wish)
    wanted = [manifest(name, namespace, wish, choice) for name in names]
    await fetch.refuse_missing(session, namespace, wanted[0]["spec"])
    await refuse_unaddressable(session, names[0], wanted[0]["spec"])
    disks = [disk for vm in wanted for disk in vm["spec"]["disks"]]
    await refuse_oversized(session, disks)
    refuse_same_for_all(wanted)
    await refuse_addresses(session, wanted[0], wanted[0]["spec"].get("nics", []))
    await refuse_placeless(
        session, [data for vm in wanted for data in of_disks(vm, vm["spec"]["disks"])], _POOL_OPTION
    )
    await tell_short(session, disks)
    taken = await ask_taken_over(session, wanted)
    chosen = told(as_it_comes(wanted[0], taken))
    session.terminal.note(session.terminal.plain(f"{', '.join(names[:3])}: {chosen}."))
    login = bool(wish.keys) and bool(look(choice.image, "spec.loginUser"))
    return await each(
        wanted, lambda vm: make_vm(session, vm, wait=wait, login=login, data=old_data(vm, taken)), session
    )


async def _choice(session: Session, namespace: str, wish: Wish) -> Choice:
    """What the platform offers, asked for only where the wish is silent."""
    image: Manifest = {}
    for written in filter(None, (wish.image, wish.iso)):
        with contextlib.suppress(Forbidden):
            found = await fetch.image(session, written)
            image = found if written == wish.image else image
            refuse = refuse_medium if written == wish.image else refuse_disk
            refuse(found, written)
    kind = network = ""
    if not wish.instance_type and not wish.cpu and not wish.memory:
        kinds = await fetch.objects_of(session, NOUNS["instancetype"])
        kind = _one_of(session, "instancetype", offered("instancetype", kinds, namespace), "--type")
    if not wish.networks:
        networks = await fetch.objects_of(session, NOUNS["network"])
        with contextlib.suppress(Forbidden):
            # who may not look there is offered none of it
            shared = replace(session, namespace=resources.NAMESPACE_SHARED)
            networks += await fetch.objects_of(shared, NOUNS["network"])
        network = _one_of(session, "network", offered("network", networks, namespace), "--network")
    return Choice(kind, network, image)


def _one_of(session: Session, word: str, names: Sequence[str], option: str) -> str:
    """The only one, else the one that somebody at the terminal chooses. Raises CommandError (2)."""
    noun = NOUNS[word]
    if len(names) == 1:
        return names[0]
    if not names:
        raise CommandError(Exit.USAGE, f"There is no {noun.singular} here.", f"qx {word} list, or {option}")
    return choose(f"Which {noun.singular}?", names, option, terminal=session.terminal)


async def make_vm(session: Session, vm: Manifest, *, wait: bool, login: bool, data: str = "") -> None:
    """Create it, wait until it runs, and say where. `login`: whether `qx vm ssh` knows how to log in;
    `data`: what it took over.
    """
    name, begun = vm["metadata"]["name"], time.monotonic()
    try:
        made = await session.write.create(resources.VIRTUAL_MACHINES, vm)
    except AlreadyExists as error:
        raise await name_taken(session, NOUNS["vm"], vm["metadata"]) from error
    if made is None:
        return
    stopped = look(made, "spec.powerState") == "Stopped"
    if not wait or stopped:
        session.terminal.note(f"{name} {'is made, and off' if stopped else 'accepted'}.")
        return
    generation = made["metadata"]["generation"]
    with telling_what_stays(NOUNS["vm"], reference(made, "vm", session.namespace)):
        made = await until(session, NOUNS["vm"], made, lambda vm: is_ready(vm, generation, "Running"))
    address = next(iter(look(made, "status.addresses", [])), "")
    place = f" at {address}" if address else ""
    # what installs from a medium, and Windows, shows itself on the screen
    seen_by = "view" if look(made, "spec.cdroms") or look(made, "spec.os") == "Windows" else "console"
    onwards = (f"qx vm ssh {name}   ·   " if login else "") + f"qx vm {seen_by} {name}"
    took = duration(time.monotonic() - begun)
    session.terminal.note(session.terminal.plain(f"{name} runs{place}{data} after {took}.   {onwards}"))
