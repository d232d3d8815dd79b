"""Judges what the libvirtd of another host may say to ours: the calls of one guest's move, about that guest.

Used by `libvirt_relay`. Whoever has another host's key has no more than this: the domain that is made here is
that of the migration, it stays paused, and what it opens lies where guests of this host have their things.
libvirt lets a guest that may come by post-copy go on in its last call (Finish), and refuses to be told
beforehand to leave it paused: that call is made to say so, unless this host has the guest by then
(docs/adr/0052; libvirt 9.0, src/qemu/qemu_migration.c, qemuMigrationDstFinishFresh).
Source: libvirt 9.0, src/rpc/virnetprotocol.x, src/remote/remote_protocol.x, src/rpc/virnetmessage.c.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from xml.etree import ElementTree

from quantix_api.errors import PermanentError

_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">IIIiIi")
_BODY_AT = _LENGTH.size + _HEADER.size
# what it says of a guest three times, in some 100 KiB, is read in the event loop; libvirt itself lets
# 32 MiB pass (VIR_NET_MESSAGE_MAX of 9.0)
MOST_BYTES = 2 * 1024 * 1024
_REMOTE, _KEEPALIVE = 0x20008086, 0x6B656570
_CALL, _KEEPALIVE_MESSAGE = 0, 2
PREPARE, FINISH = 303, 306
ALLOWED = {
    1: "CONNECT_OPEN",
    2: "CONNECT_CLOSE",
    60: "CONNECT_SUPPORTS_FEATURE",
    66: "AUTH_LIST",
    PREPARE: "DOMAIN_MIGRATE_PREPARE3_PARAMS",
    FINISH: "DOMAIN_MIGRATE_FINISH3_PARAMS",
    360: "CONNECT_REGISTER_CLOSE_CALLBACK",
    361: "CONNECT_UNREGISTER_CLOSE_CALLBACK",
}
# VIR_MIGRATE_*: the guest is left paused; never may it go on by libvirt's own decision
_PAUSED = 1 << 5
_POST_COPY, _RESUMES_POST_COPY = 1 << 15, 1 << 20
_INT, _UINT, _LLONG, _ULLONG, _DOUBLE, _BOOLEAN, _STRING = range(1, 8)
_SIZES = {_INT: 4, _UINT: 4, _LLONG: 8, _ULLONG: 8, _DOUBLE: 8, _BOOLEAN: 4}
_NAME, _XML, _PERSISTENT = "destination_name", "destination_xml", "persistent_xml"
_URIS = ("migrate_uri", "disks_uri")
_ONCE = (_NAME, _XML, _PERSISTENT, *_URIS)
MayMake = Callable[[ElementTree.Element], str]
"""Why a domain may not be made here; "" where it may."""
MayGoOn = Callable[[], Awaitable[bool]]
"""Whether libvirt may let the guest go on here: takes the time that it needs to know."""


class PacketGate:
    """Takes the bytes of a connection in pieces, and gives the packets that may pass. `domain` is the name of
    the only one that may be spoken of; `may_make` judges what is to be made, `may_go_on` is asked once that
    would go on.
    """

    def __init__(self, domain: str, may_make: MayMake, may_go_on: MayGoOn) -> None:
        self._domain = domain
        self._may_make = may_make
        self._may_go_on = may_go_on
        self._buffer = bytearray()

    async def feed(self, piece: bytes) -> AsyncIterator[bytes]:
        """Whole packets, each as soon as it may pass, and as it came but that a guest is left paused. Raises
        PermanentError (CallRefused).
        """
        self._buffer += piece
        while (packet := self._next()) is not None:
            flags_at = self._judge(packet)
            if flags_at and not await self._may_go_on():
                packet = _paused(packet, flags_at)
            yield packet

    def _next(self) -> bytes | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if not _LENGTH.size + _HEADER.size <= length <= MOST_BYTES:
            raise _refused(f"a packet of {length} bytes")
        if len(self._buffer) < length:
            return None
        packet = bytes(self._buffer[:length])
        del self._buffer[:length]
        return packet

    def _judge(self, packet: bytes) -> int:
        """Where its flags are, if it lets a guest go on, else 0. Raises PermanentError."""
        program, _, procedure, kind, _, _ = _HEADER.unpack_from(packet, _LENGTH.size)
        if program == _KEEPALIVE and kind == _KEEPALIVE_MESSAGE:
            return 0
        if program != _REMOTE or kind != _CALL or procedure not in ALLOWED:
            raise _refused(f"procedure {procedure} of program {program:#x} (type {kind})")
        return self._judge_arguments(procedure, packet) if procedure in (PREPARE, FINISH) else 0

    def _judge_arguments(self, procedure: int, packet: bytes) -> int:
        body = packet[_BODY_AT:]
        try:
            parameters, cookie, flags_at = _arguments(body)
            (flags,) = _LENGTH.unpack_from(body, flags_at)
            texts = [parameters[name] for name in (_XML, _PERSISTENT) if name in parameters]
            domains = [*(_document(text) for text in texts), *_domains_in(cookie)]
        except (struct.error, ValueError, LookupError, ElementTree.ParseError) as error:
            raise _refused(f"{ALLOWED[procedure]} that cannot be read") from error
        if any(not parameters.get(name, "tcp:").startswith("tcp:") for name in _URIS):
            raise _refused("a guest that is to come by another way than TCP")
        if flags & _RESUMES_POST_COPY or not flags & (_PAUSED | _POST_COPY):
            raise _refused("a guest that is to run at once")
        names = {domain.findtext("name") for domain in domains} | {parameters.get(_NAME, self._domain)}
        if names != {self._domain} or (procedure == PREPARE and _XML not in parameters):
            raise _refused(f"{ALLOWED[procedure]} of another domain")
        for domain in domains:
            why = self._may_make(domain)
            if why:
                raise _refused(why)
        goes_on = procedure == FINISH and not flags & _PAUSED and not _is_given_up(body, flags_at)
        return _BODY_AT + flags_at if goes_on else 0


def _is_given_up(body: bytes, flags_at: int) -> bool:
    """Whether this Finish is to end what is there: `cancelled`, which follows the flags."""
    try:
        (cancelled,) = _LENGTH.unpack_from(body, flags_at + _LENGTH.size)
    except struct.error as error:
        raise _refused(f"{ALLOWED[FINISH]} that cannot be read") from error
    return bool(cancelled)


def _paused(packet: bytes, flags_at: int) -> bytes:
    changed = bytearray(packet)
    (flags,) = _LENGTH.unpack_from(packet, flags_at)
    _LENGTH.pack_into(changed, flags_at, flags | _PAUSED)
    return bytes(changed)


def _document(text: str) -> ElementTree.Element:
    """Raises ValueError, also for what two parsers may read in two ways, an encoding of its own say, and
    libvirt never writes; ParseError.
    """
    if "<?" in text or "<!" in text:
        raise ValueError("it is more than elements")
    return ElementTree.fromstring(text)


def _domains_in(cookie: bytes) -> list[ElementTree.Element]:
    """What libvirt goes by beside the parameters: of Finish, the domain that it defines
    (src/qemu/qemu_migration_cookie.c). It ends with a zero byte. Raises as `_document`.
    """
    text = cookie.split(b"\0")[0].decode()
    return list(_document(text).iter("domain")) if text else []


def _arguments(body: bytes) -> tuple[dict[str, str], bytes, int]:
    """(parameters that are texts, cookie, where the flags are) of one of the two calls: `params<>`,
    `cookie_in<>`, `flags`, …. Raises ValueError, LookupError, struct.error.
    """
    (count,), at = _LENGTH.unpack_from(body), 4
    texts: dict[str, str] = {}
    for _ in range(count):
        name, at = _opaque(body, at)
        (kind,) = _LENGTH.unpack_from(body, at)
        at += 4
        if kind == _STRING:
            value, at = _opaque(body, at)
            key = name.decode()
            # others are lists, such as the disks that come, too
            if key in texts and key in _ONCE:
                raise ValueError(f"{key} comes twice")
            texts[key] = value.decode()
        else:
            at += _SIZES[kind]
    cookie, at = _opaque(body, at)
    return texts, cookie, at


def _opaque(body: bytes, at: int) -> tuple[bytes, int]:
    """XDR's variable-length bytes (RFC 4506, 4.10): the length, then so many, filled up to four."""
    (length,) = _LENGTH.unpack_from(body, at)
    start, end = at + 4, at + 4 + length
    if end > len(body):
        raise ValueError("it ends too soon")
    return body[start:end], end + -length % 4


def _refused(what: str) -> PermanentError:
    return PermanentError("CallRefused", f"The other host's libvirtd sent {what}, which no migration needs.")
