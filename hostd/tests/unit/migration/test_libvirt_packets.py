"""What another host's libvirtd may say to ours: the calls of one move, about one domain, whole packets."""

from __future__ import annotations

import asyncio
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.errors import PermanentError
from quantix_hostd.clients.libvirt_packets import (
    ALLOWED,
    FINISH,
    MOST_BYTES,
    PREPARE,
    MayGoOn,
    PacketGate,
)

REMOTE, KEEPALIVE = 0x20008086, 0x6B656570
CALL, REPLY, STREAM = 0, 1, 3
PAUSED, LIVE, POST_COPY, RESUMES = 1 << 5, 1, 1 << 15, 1 << 20
NAME = "qx-1"
XML = f"<domain><name>{NAME}</name></domain>"
OTHER = "<domain><name>a</name></domain>"
COOKIE = f"<qemu-migration><name>{NAME}</name>{XML}</qemu-migration>\0".encode()


def packet(procedure: int, body: bytes = b"", *, program: int = REMOTE, kind: int = CALL) -> bytes:
    head = struct.pack(">IIIiIi", program, 1, procedure, kind, 7, 0)
    return struct.pack(">I", 4 + len(head) + len(body)) + head + body


def opaque(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value + b"\0" * (-len(value) % 4)


def arguments(
    texts: dict[str, str],
    flags: int = PAUSED | LIVE,
    more: tuple[tuple[str, str], ...] = (),
    *,
    cancelled: int = 0,
    cookie: bytes = COOKIE,
) -> bytes:
    """As virTypedParams go over the wire, with one number among them; `more` may repeat names. What follows
    the flags is, of Finish, whether it was given up.
    """
    pairs = (*texts.items(), *more)
    listed = b"".join(
        opaque(name.encode()) + struct.pack(">I", 7) + opaque(text.encode()) for name, text in pairs
    )
    number = opaque(b"bandwidth") + struct.pack(">IQ", 4, 100)
    count = struct.pack(">I", len(pairs) + 1)
    return count + number + listed + opaque(cookie) + struct.pack(">II", flags, cancelled)


async def never() -> bool:
    """Nobody may go on here."""
    return False


async def at_once() -> bool:
    """The claims name this host."""
    return True


def gate(why: str = "", may_go_on: MayGoOn = never) -> PacketGate:
    return PacketGate(NAME, lambda domain: why, may_go_on)


async def passed(opened: PacketGate, piece: bytes) -> bytes:
    return b"".join([packet async for packet in opened.feed(piece)])


DISKS = (("migrate_disks", "vda"), ("migrate_disks", "vdb"))
GOOD = (
    packet(66)
    + packet(1, b"\0\0\0\0")
    + packet(PREPARE, arguments({"destination_xml": XML, "destination_name": NAME}))
    + packet(PREPARE, arguments({"destination_xml": XML, "migrate_uri": "tcp://[::1]"}, more=DISKS))
    + packet(1, program=KEEPALIVE, kind=2)
    + packet(FINISH, arguments({"destination_name": NAME}))
    + packet(FINISH, arguments({"destination_name": NAME}, cookie=b""))
    + packet(2)
)


@given(st.lists(st.integers(1, len(GOOD) - 1), max_size=8))
async def test_the_calls_of_a_move_pass_as_they_came_however_they_are_split(cuts: list[int]) -> None:
    opened, edges = gate(), [0, *sorted(cuts), len(GOOD)]
    pieces = [GOOD[start:end] for start, end in pairwise(edges)]
    assert b"".join([await passed(opened, piece) for piece in pieces]) == GOOD


@pytest.mark.parametrize(
    "sent",
    [
        packet(10),
        packet(200),
        packet(PREPARE, kind=STREAM),
        packet(2, kind=REPLY),
        packet(2, program=0x20008087),
        packet(1, program=KEEPALIVE, kind=CALL),
        struct.pack(">I", 3) + b"abc",
        struct.pack(">I", 2**31),
        packet(PREPARE, b"\xff\xff\xff\xff"),
        packet(PREPARE, arguments({"destination_xml": "<domain"})),
        packet(PREPARE, arguments({"destination_xml": XML.replace(NAME, "qx-2")})),
        packet(PREPARE, arguments({"destination_xml": XML, "persistent_xml": OTHER})),
        packet(PREPARE, arguments({"destination_xml": XML, "destination_name": "other"})),
        packet(PREPARE, arguments({"destination_name": NAME})),
        packet(PREPARE, arguments({"destination_xml": XML}, flags=LIVE)),
        packet(PREPARE, arguments({"destination_xml": XML}, more=(("destination_xml", XML),))),
        packet(FINISH, arguments({"destination_name": "other"})),
        packet(FINISH, arguments({"destination_name": NAME}, flags=LIVE)),
        packet(FINISH, arguments({"destination_name": NAME}, flags=LIVE, cancelled=1)),
        packet(FINISH, arguments({"destination_name": NAME}, flags=POST_COPY | RESUMES)),
        packet(PREPARE, arguments({"destination_xml": XML}, flags=PAUSED | POST_COPY | RESUMES)),
        packet(FINISH, arguments({"destination_name": NAME}, flags=POST_COPY)[:-4]),
        # what libvirt defines at the end comes in a cookie
        packet(FINISH, arguments({}, cookie=COOKIE.replace(XML.encode(), OTHER.encode()))),
        packet(FINISH, arguments({}, cookie=b"<a><b>" + OTHER.encode() + b"</b></a>\0")),
        packet(FINISH, arguments({}, cookie=b"no document\0")),
        packet(PREPARE, arguments({"destination_xml": XML}, cookie=OTHER.encode() + b"\0" + COOKIE)),
        # what another parser may read otherwise
        packet(PREPARE, arguments({"destination_xml": f"<?xml version='1.0' encoding='UTF-7'?>{XML}"})),
        packet(PREPARE, arguments({"destination_xml": f"<!DOCTYPE domain []>{XML}"})),
        packet(PREPARE, arguments({"destination_xml": XML.replace("<name>", "<!-- x --><name>")})),
        packet(FINISH, arguments({}, cookie=b"<?xml version='1.0' encoding='UTF-7'?>" + COOKIE)),
        # where QEMU is to listen
        packet(PREPARE, arguments({"destination_xml": XML, "migrate_uri": "unix:///run/other.sock"})),
        packet(PREPARE, arguments({"destination_xml": XML, "migrate_uri": "rdma://192.0.2.1"})),
        packet(PREPARE, arguments({"destination_xml": XML, "disks_uri": "unix:///run/other.sock"})),
    ],
    ids=range(33),
)
async def test_anything_else_is_refused(sent: bytes) -> None:
    with pytest.raises(PermanentError) as refused:
        await passed(gate(may_go_on=at_once), sent)
    assert refused.value.reason == "CallRefused"


async def test_a_domain_that_may_not_be_made_is_refused() -> None:
    with pytest.raises(PermanentError, match="a disk of another"):
        await passed(gate("a disk of another"), packet(PREPARE, arguments({"destination_xml": XML})))
    with pytest.raises(PermanentError, match="a disk of another"):
        await passed(gate("a disk of another"), packet(FINISH, arguments({})))


@given(st.integers(0, 500), st.integers(0, 5), st.binary(max_size=60))
async def test_no_other_call_passes(procedure: int, kind: int, body: bytes) -> None:
    if procedure in ALLOWED and kind == CALL:
        return
    with pytest.raises(PermanentError):
        await passed(gate(), packet(procedure, body, kind=kind))


@given(st.binary(max_size=200))
async def test_arguments_that_are_no_arguments_never_pass_nor_break_it(body: bytes) -> None:
    with pytest.raises(PermanentError):
        await passed(gate(), packet(PREPARE, body))


POST = packet(PREPARE, arguments({"destination_xml": XML}, flags=POST_COPY | LIVE))
FINISHES = packet(FINISH, arguments({"destination_name": NAME}, flags=POST_COPY | LIVE))
STAYS = packet(FINISH, arguments({"destination_name": NAME}, flags=POST_COPY | LIVE | PAUSED))


async def test_a_guest_that_comes_by_post_copy_is_left_paused_unless_this_host_has_it() -> None:
    assert await passed(gate(may_go_on=never), POST + FINISHES) == POST + STAYS
    assert await passed(gate(may_go_on=at_once), POST + FINISHES) == POST + FINISHES


async def test_what_is_to_stay_paused_or_was_given_up_asks_nobody() -> None:
    async def nobody() -> bool:
        raise AssertionError("asked")

    given_up = packet(FINISH, arguments({"destination_name": NAME}, flags=POST_COPY, cancelled=1))
    assert await passed(gate(may_go_on=nobody), POST + STAYS + given_up) == POST + STAYS + given_up


async def test_nothing_passes_it_while_it_waits_for_the_claims() -> None:
    named = asyncio.Event()

    async def once_named() -> bool:
        return await named.wait()

    opened, out = gate(may_go_on=once_named), list[bytes]()

    async def feed() -> None:
        async for whole in opened.feed(POST + FINISHES + packet(2)):
            out.append(whole)

    feeding = asyncio.create_task(feed())
    await asyncio.sleep(0.01)
    assert out == [POST]
    named.set()
    await feeding
    assert out == [POST, FINISHES, packet(2)]


@given(st.integers(0, 2**32 - 1))
async def test_whatever_its_flags_no_guest_goes_on_that_is_not_this_hosts(flags: int) -> None:
    sent = packet(FINISH, arguments({"destination_name": NAME}, flags=flags))
    try:
        out = await passed(gate(may_go_on=never), sent)
    except PermanentError:
        return
    assert struct.unpack_from(">I", out, len(out) - 8)[0] & PAUSED


@pytest.mark.parametrize("length", [MOST_BYTES, MOST_BYTES + 1])
async def test_no_more_is_kept_of_a_packet_than_a_migration_says(length: int) -> None:
    begun = struct.pack(">I", length) + b"begun"
    if length <= MOST_BYTES:
        assert await passed(gate(), begun) == b""
    else:
        with pytest.raises(PermanentError, match=f"a packet of {length} bytes"):
            await passed(gate(), begun)
