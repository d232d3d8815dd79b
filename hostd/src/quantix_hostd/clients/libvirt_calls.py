"""What one call to libvirt needs, in its thread: find a domain, tell whose it is, translate errors.

Used by `clients/libvirt.py` only. Codes: libvirt 9.0, virterror.h.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from xml.etree import ElementTree

import libvirt
import structlog

from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_api.message_table_phrases import LIBVIRT_UNCONNECTED, SILENT
from quantix_api.message_text import quoted
from quantix_api.messages import as_error
from quantix_api.quantities import human_size
from quantix_hostd.clients.kernel_limits import NO_AIO, aio_is_taken
from quantix_hostd.clients.libvirt_events import deregister
from quantix_hostd.clients.passphrase import WRONG_PASSPHRASE
from quantix_hostd.domainxml.spec import DOMAIN_PREFIX, METADATA_NAMESPACE, vm_uid_of
from quantix_hostd.facts.domain import DomainSnapshot, DomainState, DomainStats, DomainSummary, Picture

T = TypeVar("T")

# of a domain that is undefined: what firmware and TPM remember stays
FORGET = (
    libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
)

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 256 * 1024

_REFUSED = frozenset(
    {
        libvirt.VIR_ERR_XML_ERROR,
        libvirt.VIR_ERR_XML_DETAIL,
        libvirt.VIR_ERR_XML_INVALID_SCHEMA,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_INVALID_ARG,
    }
)

# there is no connection, or it was closed on our side
_UNCONNECTED = frozenset({libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN})
# what libvirt's client says of a socket that failed (rpc/virnetsocket.c, rpc/virnetclient.c,
# remote/remote_driver.c); other codes of these domains are about one call: too large, not allowed, refused
_OF_SOCKETS = frozenset({libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR})
_OF_CLIENTS = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})


def unconnected() -> TransientError:
    """The error for a call while there is no connection to libvirtd."""
    return as_error(TransientError, "LibvirtDown", said=LIBVIRT_UNCONNECTED)


def silent(patience_s: float) -> TransientError:
    """The error for a call that libvirtd did not answer in that time."""
    return as_error(TransientError, "LibvirtDown", said=SILENT.format(seconds=patience_s))


def translated(act: Callable[[], T], connection: Any = None) -> T:
    """What `act` returns, or an error of libvirt as one of ours. `connection` is the one that is used, None
    while it is being opened. TransientError (LibvirtDown) only when libvirtd or the connection is away,
    (QEMUHangs) when an earlier call keeps this domain.
    """
    try:
        return act()
    except libvirt.libvirtError as error:
        raise _translate(error, connection) from error


def _translate(error: libvirt.libvirtError, connection: Any) -> QuantixError:
    code, said = error.get_error_code(), error.get_error_message() or str(error)
    if WRONG_PASSPHRASE in said:
        return as_error(TransientError, "PassphraseWrong", said=WRONG_PASSPHRASE)
    if NO_AIO in said:
        return aio_is_taken()
    if code in _REFUSED:
        return as_error(PermanentError, "ConfigRefused", said=said)
    if is_away(error, connection):
        return as_error(TransientError, "LibvirtDown", said=said)
    if code == libvirt.VIR_ERR_OPERATION_TIMEOUT:
        # another call about the same domain has not ended in 30 s (qemu_domainjob.c, BeginJob)
        return as_error(TransientError, "QEMUHangs", said=said)
    return TransientError("InternalError", f"libvirt could not do it. Said: {quoted(said)} (code {code}).")


def is_away(error: libvirt.libvirtError, connection: Any) -> bool:
    """Whether a call failed since there is no libvirtd, or no connection to it (None: none was open yet)."""
    return error.get_error_code() in _UNCONNECTED or (is_of_a_socket(error) and not _is_alive(connection))


def is_of_a_socket(error: libvirt.libvirtError) -> bool:
    """Whether a socket failed: ours to libvirtd, or one that libvirtd has to another program."""
    return error.get_error_domain() in _OF_CLIENTS and error.get_error_code() in _OF_SOCKETS


def _is_alive(connection: Any) -> bool:
    """Whether libvirtd is still there: then the socket that failed is one of its own, as to virtlogd, whose
    errors it passes on as they are. Asks nobody: the client closes what it had an error on.
    """
    try:
        return connection is not None and bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def lookup(connection: Any, name: str) -> Any:
    return _found(lambda: connection.lookupByName(name))


def lookup_uuid(connection: Any, uuid: str) -> Any:
    return _found(lambda: connection.lookupByUUIDString(uuid))


def _found(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def is_ours(domain: Any) -> bool:
    if not domain.name().startswith(DOMAIN_PREFIX):
        return False
    try:
        domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, METADATA_NAMESPACE)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            return False
        raise
    return True


def summary(domain: Any) -> DomainSummary:
    state, reason = domain.state()
    uid = vm_uid_of(domain.name()) if is_ours(domain) else None
    return DomainSummary(domain.name(), domain.UUIDString(), DomainState(state), reason, uid)


def summaries(connection: Any) -> tuple[DomainSummary, ...]:
    """Of all domains; one that goes while it is looked at is not there."""
    seen = (_found(partial(summary, domain)) for domain in connection.listAllDomains())
    return tuple(filter(None, seen))


def snapshot_of(connection: Any, name: str) -> DomainSnapshot | None:
    """None for one that is not there, or goes while it is looked at."""
    domain = lookup(connection, name)
    found: DomainSnapshot | None = None if domain is None else _found(partial(_snapshot, domain))
    return found


def _snapshot(domain: Any) -> DomainSnapshot:
    inactive = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    live = domain.XMLDesc(0) if domain.isActive() else None
    state, reason = domain.state()
    return DomainSnapshot(domain.name(), domain.UUIDString(), DomainState(state), reason, inactive, live)


def domain_stats(name: str, found: Mapping[str, Any]) -> DomainStats:
    return DomainStats(
        name,
        {key: value for key, value in found.items() if isinstance(value, int)},
        {key: value for key, value in found.items() if isinstance(value, str)},
    )


def screenshot(connection: Any, domain: Any, most_bytes: int) -> Picture:
    """The first screen of a running domain, no more of it than `most_bytes` (virDomainScreenshot). Raises
    PermanentError: NoScreen, ScreenTooLarge.
    """
    if ElementTree.fromstring(domain.XMLDesc(0)).find("devices/video/model[@type='none']") is not None:
        raise as_error(PermanentError, "NoScreen")
    stream = connection.newStream(0)
    domain.screenshot(stream, 0, 0)
    data = bytearray()
    while chunk := stream.recv(_CHUNK_BYTES):
        data += chunk
        if len(data) > most_bytes:
            stream.abort()
            raise as_error(
                PermanentError, "ScreenTooLarge", domain=domain.name(), most=human_size(most_bytes)
            )
    stream.finish()
    return Picture(bytes(data))


def close_quietly(connection: Any, registered: tuple[int, ...] | None = None) -> None:
    """`registered`: what `register` gave, of a connection whose end is told, too; None: of another."""
    try:
        if registered is not None and connection.isAlive():
            deregister(connection, registered)
            connection.unregisterCloseCallback()
        connection.close()
    except libvirt.libvirtError as error:
        log.info("closing the connection to libvirt", said=str(error))
