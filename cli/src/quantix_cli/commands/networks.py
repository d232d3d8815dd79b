"""`qx network create|set`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from quantix_cli.commands import making
from quantix_cli.commands.selecting import selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.selection import Selection

_NAMES = (
    click.option(
        "--dns", "servers", multiple=True, metavar="ADDRESS", help="A name server that guests are told."
    ),
    click.option("--domain", default="", metavar="DOMAIN", help="Domain of the guests' names."),
    click.option("--mtu", type=click.IntRange(576, 9216), metavar="BYTES", help="Largest packet."),
)


def create_command(_: str) -> click.Command:
    """The command `qx network create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="make a network with addresses for guests",
        examples=(
            "qx network create db --subnet 10.20.1.0/24",
            "qx network create lan --subnet 192.168.1.0/24 --physical physnet1 --vlan 120 --no-dhcp",
        ),
    )
    @click.argument("name")
    @click.option(
        "--subnet", "subnets", multiple=True, metavar="CIDR", help="Its addresses: one IPv4, one IPv6."
    )
    @click.option(
        "--gateway",
        "gateways",
        multiple=True,
        metavar="ADDRESS",
        help="The router's address; default: the first of the subnet.",
    )
    @click.option("--exclude", multiple=True, metavar="FIRST-LAST", help="Addresses never given out.")
    @click.option("--no-dhcp", is_flag=True, help="Give out no addresses by DHCP.")
    @click.option("--no-ipv6", is_flag=True, help="No IPv6 subnet of its own.")
    @click.option("--physical", default="", metavar="WIRE", help="A wire of the hosts that it is joined to.")
    @click.option("--vlan", type=click.IntRange(1, 4094), metavar="N", help="VLAN on the wire.")
    @click.option("--default", is_flag=True, help="What new VMs get.")
    @making.LABEL
    @making.NO_WAIT
    @write_options
    def command(
        invocation: Invocation, name: str, labels: tuple[str, ...], no_wait: bool, **given: Any
    ) -> None:
        """Make a network with addresses and names for guests."""
        making.make(
            invocation, "network", name, spec_of(NewNetwork(**given)), labels=labels, wait=not no_wait
        )

    return with_options(command, _NAMES)


def set_command(_: str) -> click.Command:
    """The command `qx network set NAME...`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="change name servers, MTU and more of networks",
        examples=("qx network set db --dns 10.20.1.2", "qx network set db --default"),
    )
    @selecting(NOUNS["network"])
    @click.option("--default/--no-default", default=None, help="Whether new VMs get it.")
    @making.LABEL_CHANGE
    @write_options
    def command(
        invocation: Invocation,
        selection: Selection,
        default: bool | None,
        labels: tuple[str, ...],
        **given: Any,
    ) -> int:
        """Change networks; guests learn of it with their next lease."""
        making.refuse_nothing(default=default, labels=labels, **given)
        return making.change(
            invocation, "network", selection, lambda live: patch_of(live, default=default, **given), labels
        )

    return with_options(command, _NAMES)


@dataclass(frozen=True)
class NewNetwork:
    """The options of `qx network create`. Raises CommandError (2) for a detail of what is not there."""

    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    no_dhcp: bool = False
    no_ipv6: bool = False
    physical: str = ""
    vlan: int | None = None
    servers: tuple[str, ...] = ()
    domain: str = ""
    mtu: int | None = None
    default: bool = False

    def __post_init__(self) -> None:
        if self.vlan and not self.physical:
            raise CommandError(Exit.USAGE, "--vlan is one of a wire.", "--physical WIRE")
        if (self.gateways or self.exclude or self.no_dhcp) and not self.subnets:
            raise CommandError(Exit.USAGE, "Of which subnet? --subnet is missing.", "--subnet 10.20.1.0/24")


def spec_of(new: NewNetwork) -> Manifest:
    """The spec of a new network. Raises CommandError (2) for an address of no subnet's family."""
    dhcp = {"dhcp": "Disabled"} if new.no_dhcp else {}
    subnets: list[Manifest] = [{"cidr": _subnet(cidr), **dhcp} for cidr in new.subnets]
    for gateway in new.gateways:
        _of_its_family(subnets, gateway)["gateway"] = gateway
    for written in new.exclude:
        first, _, last = written.partition("-")
        ranges = _of_its_family(subnets, first).setdefault("excludeRanges", [])
        ranges.append({"first": first, "last": last or first})
    wire = {"name": new.physical} | ({"vlan": new.vlan} if new.vlan else {})
    return making.present(
        subnets=subnets,
        physical=wire if new.physical else None,
        ipv6="Disabled" if new.no_ipv6 else None,
        dns=making.present(domain=new.domain, servers=list(new.servers)),
        mtu=new.mtu,
        default=new.default,
    )


def _subnet(written: str) -> str:
    """What was written, if it is a subnet by its first address. Raises CommandError (2)."""
    from ipaddress import ip_interface  # what other commands do not have to load

    try:
        meant = ip_interface(written)
    except ValueError as error:
        said = f"--subnet: {written} is no subnet, such as 10.20.1.0/24 or fd00:1::/64."
        raise CommandError(Exit.USAGE, said) from error
    if "/" not in written:
        said = f"--subnet: {written} has no prefix, such as /{24 if meant.version == 4 else 64}."
        raise CommandError(Exit.USAGE, said)
    if meant.ip != meant.network.network_address:
        said = f"--subnet: {written} is an address in a subnet, which is {meant.network}."
        raise CommandError(Exit.USAGE, said, f"--subnet {meant.network}")
    return written


def patch_of(
    network: Manifest, *, default: bool | None, servers: tuple[str, ...], domain: str, mtu: int | None
) -> Manifest:
    """The patch; empty where all is so already."""
    dns = making.present(domain=domain, servers=list(servers))
    if all(look(network, f"spec.dns.{key}") == value for key, value in dns.items()):
        dns = {}
    spec = {"default": default, "mtu": mtu, "dns": dns or None}
    return making.news(network, {key: value for key, value in spec.items() if value is not None})


def _of_its_family(subnets: list[Manifest], address: str) -> Manifest:
    """The subnet that an address belongs to by its family; the API says whether it lies in it."""
    is_v6 = ":" in address
    found = next((subnet for subnet in subnets if (":" in subnet["cidr"]) == is_v6), None)
    if found is None:
        raise CommandError(Exit.USAGE, f"No subnet has addresses such as {address}.", "another --subnet")
    return found
