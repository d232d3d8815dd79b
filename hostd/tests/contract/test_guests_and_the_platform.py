"""What a host forwards for guests, in a real packet filter: to the world, and to nothing of the platform."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantix_hostd.clients.nft import NftClient
from quantix_hostd.packet_filter import render_tables
from quantix_lab.site_of_a_host import (
    ANY,
    BEHIND_LEG,
    FLOATING,
    GUESTS,
    HEAR,
    HOSTS,
    MONITORS,
    OWN,
    OWN_NETWORK,
    PORT,
    SERVE,
    SHORT_S,
    STRANGERS,
    TUNNEL,
    Site,
    call,
    calling,
    heard,
    pings,
    program,
    run,
    send,
    site_of_a_host,
)

_FORGED = ("192.0.2.50", "10.91.0.2", "2001:db8::50", "fd00:99::7")
_PLATFORM = frozenset((*HOSTS, *MONITORS))
_PREFIXES = ("172.31.0.0/24",)
_EACH_FAMILY = pytest.mark.parametrize("family", [0, 1], ids=["4", "6"])


@pytest.fixture
def site() -> Iterator[Site]:
    with site_of_a_host() as made:
        yield made


async def protect(site: Site, platform: frozenset[str] | None = _PLATFORM) -> None:
    tables = render_tables(_PREFIXES, "qx-ex", platform=platform)
    await NftClient(site.host).replace_our_tables(tables)


@_EACH_FAMILY
async def test_no_guest_sends_what_would_be_a_tunnel_of_its_gateway(site: Site, family: int) -> None:
    """Neither to a host nor to one that nobody has heard of, in one piece or in several."""
    packets = [(HOSTS[family], "frame"), (STRANGERS[family], "frame"), (STRANGERS[family], "x" * 4000)]
    await protect(site)
    with program(site.world, HEAR, str(TUNNEL), str(ANY)) as world:
        for target, text in packets:
            send(site.guest, GUESTS[family], target, text, TUNNEL)
        assert heard(world, site) == []
        site.unprotect()
        for target, text in packets:
            send(site.guest, GUESTS[family], target, text, TUNNEL)
        source = (OWN[0], GUESTS[1])[family]
        texts = ("frame", "frame", "x" * 40)
        assert heard(world, site) == [(source, TUNNEL, text) for text in texts], "it is the table alone"


@_EACH_FAMILY
async def test_an_answer_is_no_way_to_send_one_either(site: Site, family: int) -> None:
    await protect(site)
    asked, asking = FLOATING[family], HOSTS[family]
    send(site.world, asking, asked, "ask", ANY, from_port=TUNNEL)
    with program(site.world, HEAR, str(TUNNEL), str(ANY)) as world:
        send(site.guest, asked, asking, "frame", TUNNEL, from_port=ANY)
        assert heard(world, site) == []
        site.unprotect()
        send(site.guest, asked, asking, "frame", TUNNEL, from_port=ANY)
        assert heard(world, site) == [(asked, TUNNEL, "frame")]


@pytest.mark.parametrize("source", _FORGED)
async def test_who_has_no_place_on_the_way_out_sends_nothing(site: Site, source: str) -> None:
    """Whatever network a tenant makes: that of the hosts' wire, or one that nobody routes."""
    target = STRANGERS[":" in source]
    await protect(site)
    with program(site.world, HEAR, str(ANY)) as world:
        send(site.guest, source, target, "forged")
        assert heard(world, site) == []
        site.unprotect()
        send(site.guest, source, target, "forged")
        assert heard(world, site) == [(source, ANY, "forged")], "nothing but the table keeps it back"


async def test_a_network_to_which_somebody_made_a_route_by_the_way_out_has_a_place_there(site: Site) -> None:
    for family, prefix, source in (("-4", "10.91.0.0/24", "10.91.0.2"), ("-6", "fd00:99::/64", "fd00:99::7")):
        run("ip", "-n", site.host, family, "route", "add", prefix, "dev", "qx-ex")
        await protect(site)
        with program(site.world, HEAR, str(ANY)) as world:
            send(site.guest, source, STRANGERS[":" in source], "routed")
            assert heard(world, site) == [(source, ANY, "routed")]


async def test_guests_reach_the_world_as_ever(site: Site) -> None:
    sources = (*GUESTS, OWN_NETWORK)
    await protect(site)
    with program(site.world, HEAR, str(ANY)) as world:
        for source in sources:
            send(site.guest, source, STRANGERS[":" in source], "hello")
        assert heard(world, site) == sorted((source, ANY, "hello") for source in (OWN[0], *sources[1:]))
    with program(site.world, SERVE, PORT):
        for source, target in zip(GUESTS, STRANGERS, strict=True):
            with calling(site.guest, source, target) as connection:
                assert (connection.began, connection.say("hello")) == ("connected", "hello")


@_EACH_FAMILY
async def test_guests_begin_nothing_with_the_platform(site: Site, family: int) -> None:
    await protect(site)
    targets = (HOSTS[family], MONITORS[family])
    with program(site.world, SERVE, PORT), program(site.world, HEAR, str(ANY)) as world:
        assert [call(site.guest, GUESTS[family], t, SHORT_S) for t in targets] == ["dropped", "dropped"]
        for target in targets:
            send(site.guest, GUESTS[family], target, "hello")
            assert not pings(site.guest, target)
        assert heard(world, site) == []
        site.unprotect()
        assert [call(site.guest, GUESTS[family], target) for target in targets] == ["connected", "connected"]


@_EACH_FAMILY
async def test_hosts_reach_floating_ips_like_everybody(site: Site, family: int) -> None:
    await protect(site)
    with program(site.guest, SERVE, PORT):
        for source in (HOSTS[family], STRANGERS[family]):
            with calling(site.world, source, FLOATING[family]) as connection:
                assert (connection.began, connection.say("hello")) == ("connected", "hello")
                assert pings(site.world, FLOATING[family], source)


@_EACH_FAMILY
async def test_a_connection_to_what_becomes_a_host_ends(site: Site, family: int) -> None:
    await protect(site)
    with program(site.world, SERVE, PORT), calling(site.guest, GUESTS[family], STRANGERS[family], 3) as began:
        assert began.say("hello") == "hello"
        await protect(site, _PLATFORM | {STRANGERS[family]})
        assert began.say("hello again") == "dropped"


@_EACH_FAMILY
async def test_while_hosts_are_not_known_nothing_begins_and_what_has_begun_goes_on(
    site: Site, family: int
) -> None:
    await protect(site)
    source, target = GUESTS[family], STRANGERS[family]
    with program(site.world, SERVE, PORT), calling(site.guest, source, target) as connection:
        assert connection.say("hello") == "hello"
        await protect(site, None)
        assert call(site.guest, source, target, SHORT_S) == "dropped"
        assert connection.say("still there") == "still there"
    with program(site.guest, SERVE, PORT):
        assert call(site.world, STRANGERS[family], FLOATING[family]) == "connected"


@_EACH_FAMILY
async def test_the_hosts_own_leg_leads_no_guest_to_another(site: Site, family: int) -> None:
    await protect(site)
    with program(site.inner, SERVE, PORT):
        assert call(site.guest, GUESTS[family], BEHIND_LEG[family], SHORT_S) == "dropped"
        site.unprotect()
        assert call(site.guest, GUESTS[family], BEHIND_LEG[family]) == "connected"


@_EACH_FAMILY
async def test_the_host_is_pinged_and_found_as_ever(site: Site, family: int) -> None:
    await protect(site)
    gateway = ("172.31.0.1", "fd00:31::1")[family]
    run("ip", "-n", site.guest, "neigh", "flush", "dev", "eth0")
    assert pings(site.guest, gateway, GUESTS[family])
    with program(site.guest, SERVE, PORT):
        run("ip", "-n", site.host, "neigh", "flush", "dev", "qx-ex")
        assert call(site.host, gateway, FLOATING[family]) == "connected"


@pytest.mark.parametrize(
    "platform",
    [
        None,
        frozenset(),
        frozenset({"10.0.0.9"}),
        frozenset({"fd00::9"}),
        frozenset({"10.0.0.10", "10.0.0.9", "9.255.0.1", "fd00::a", "fd00::9", "2001:db8::1:0"}),
        frozenset(f"10.{number % 7}.{number % 3}.{number}" for number in range(1, 255)),
    ],
    ids=["unknown", "none", "one", "one of IPv6", "some", "many"],
)
async def test_the_tables_are_found_as_they_were_written(site: Site, platform: frozenset[str] | None) -> None:
    nft, text = NftClient(site.host), render_tables(_PREFIXES, "qx-ex", platform=platform)
    await nft.replace_our_tables(text)
    assert (await nft.our_tables()).split() == text.split()
