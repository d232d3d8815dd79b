"""Open vSwitch of this host: bridges, interfaces, ports, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OWNER_KEY = "quantix.io/owner"
"""Key in external_ids: the UID of the VM or Host that a row was made for."""


@dataclass(frozen=True)
class BridgeFacts:
    """A bridge as the database has it; `mac` is what was asked for its own port, "" when nothing was."""

    datapath_type: str
    fail_mode: str
    mac: str
    external_ids: Mapping[str, str]
    ports: frozenset[str]


@dataclass(frozen=True)
class InterfaceFacts:
    """An interface as the database has it; `mac` and `mtu_request` are what was asked for."""

    type: str
    mac: str
    mtu_request: int | None
    external_ids: Mapping[str, str]


@dataclass(frozen=True)
class InternalPort:
    """A port of a bridge that is a network device of the host."""

    bridge: str
    name: str
    mac: str
    mtu: int
    external_ids: Mapping[str, str]


@dataclass(frozen=True)
class TlsFiles:
    """The paths of a key, of its certificate, and of whom to trust."""

    key: str
    certificate: str
    authority: str


@dataclass(frozen=True)
class TlsFacts:
    """The row of the database by which its programs speak TLS."""

    files: TlsFiles
    external_ids: Mapping[str, str]


@dataclass(frozen=True)
class PortProblem:
    """Why a port does not carry packets yet; `reason` is one of the conditions' table.

    `detail`: for DuplicateInterface the interfaces' names, else the cause as the end of a sentence.
    """

    port: str
    reason: str
    detail: str
