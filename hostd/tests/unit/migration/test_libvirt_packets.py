"""What another host's libvirtd may say to ours: the calls of one move, about one domain, whole packets."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.errors import PermanentError
from quantix_hostd.clients.libvirt_packets import ALLOWED, FINISH, PREPARE, PacketGate

REMOTE, KEEPALIVE = 0x20008086, 0x6B656570
CALL, REPLY, STREAM = 0, 1, 3
PAUSED, LIVE = 1 << 5, 1
NAME = "qx-1"
XML = f"<domain><name>{NAME}</name></domain>"


def packet(procedure: int, body: bytes = b"", *, program: int = REMOTE, kind: int = CALL) -> bytes:
    head = struct.pack(">IIIiIi", program, 1, procedure, kind, 7, 0)
    return struct.pack(">I", 4 + len(head) + len(body)) + head + body


def opaque(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value + b"\0" * (-len(value) % 4)


def arguments(
    texts: dict[str, str], flags: int = PAUSED | LIVE, more: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """As virTypedParams go over the wire, with one number among them; `more` may repeat names."""
    pairs = (*texts.items(), *more)
    listed = b"".join(
        opaque(name.encode()) + struct.pack(">I", 7) + opaque(text.encode()) for name, text in pairs
    )
    number = opaque(b"bandwidth") + struct.pack(">IQ", 4, 100)
    count = struct.pack(">I", len(pairs) + 1)
    return count + number + listed + opaque(b"cookie") + struct.pack(">I", flags)


def gate(why: str = "") -> PacketGate:
    return PacketGate(NAME, lambda domain: why)


DISKS = (("migrate_disks", "vda"), ("migrate_disks", "vdb"))
GOOD = (
    packet(66)
    + packet(1, b"\0\0\0\0")
    + packet(PREPARE, arguments({"destination_xml": XML, "destination_name": NAME}))
    + packet(PREPARE, arguments({"destination_xml": XML}, more=DISKS))
    + packet(1, program=KEEPALIVE, kind=2)
    + packet(FINISH, arguments({"destination_name": NAME}))
    + packet(2)
)


@given(st.lists(st.integers(1, len(GOOD) - 1), max_size=8))
def test_the_calls_of_a_move_pass_as_they_came_however_they_are_split(cuts: list[int]) -> None:
    opened, edges = gate(), [0, *sorted(cuts), len(GOOD)]
    pieces = [GOOD[start:end] for start, end in pairwise(edges)]
    assert b"".join(map(opened.feed, pieces)) == GOOD


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
        packet(
            PREPARE, arguments({"destination_xml": XML, "persistent_xml": "<domain><name>a</name></domain>"})
        ),
        packet(PREPARE, arguments({"destination_xml": XML, "destination_name": "other"})),
        packet(PREPARE, arguments({"destination_name": NAME})),
        packet(PREPARE, arguments({"destination_xml": XML}, flags=LIVE)),
        packet(PREPARE, arguments({"destination_xml": XML}, more=(("destination_xml", XML),))),
        packet(FINISH, arguments({"destination_name": "other"})),
        packet(FINISH, arguments({"destination_name": NAME}, flags=LIVE)),
    ],
    ids=range(18),
)
def test_anything_else_is_refused(sent: bytes) -> None:
    with pytest.raises(PermanentError) as refused:
        gate().feed(sent)
    assert refused.value.reason == "CallRefused"


def test_a_domain_that_may_not_be_made_is_refused() -> None:
    with pytest.raises(PermanentError, match="a disk of another"):
        gate("a disk of another").feed(packet(PREPARE, arguments({"destination_xml": XML})))


@given(st.integers(0, 500), st.integers(0, 5), st.binary(max_size=60))
def test_no_other_call_passes(procedure: int, kind: int, body: bytes) -> None:
    if procedure in ALLOWED and kind == CALL:
        return
    with pytest.raises(PermanentError):
        gate().feed(packet(procedure, body, kind=kind))


@given(st.binary(max_size=200))
def test_arguments_that_are_no_arguments_never_pass_nor_break_it(body: bytes) -> None:
    with pytest.raises(PermanentError):
        gate().feed(packet(PREPARE, body))
