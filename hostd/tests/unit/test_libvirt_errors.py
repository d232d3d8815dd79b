"""How an error of libvirt is told."""

from __future__ import annotations

import libvirt
import pytest

from quantix_api.errors import QuantixError, TransientError
from quantix_hostd.clients.kernel_limits import NO_AIO
from quantix_hostd.clients.libvirt_calls import close_quietly, translated
from quantix_hostd.clients.libvirt_migration import progress_of, why_not_sent


def fail(domain: int, code: int, said: str) -> None:
    error = libvirt.libvirtError(said)
    error.err = (code, domain, said, libvirt.VIR_ERR_ERROR, "", "", "", -1, -1)
    raise error


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (libvirt.VIR_ERR_SYSTEM_ERROR, "End of file while reading data: Input/output error"),
        (libvirt.VIR_ERR_SYSTEM_ERROR, "Cannot recv data: Connection reset by peer"),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "client socket is closed"),
    ],
)
def test_a_call_that_libvirts_end_cuts_off_says_that_libvirt_is_away(code: int, said: str) -> None:
    with pytest.raises(TransientError, match=said) as told:
        translated(lambda: fail(libvirt.VIR_FROM_RPC, code, said))
    assert told.value.reason == "LibvirtDown"


class Connection:
    """`alive` is what libvirt's client says of it, an error where that has been closed."""

    def __init__(self, alive: bool | None) -> None:
        self._alive = alive

    def isAlive(self) -> int:
        if self._alive is None:
            fail(libvirt.VIR_FROM_NONE, libvirt.VIR_ERR_INVALID_CONN, "invalid connection pointer")
        return int(bool(self._alive))


@pytest.mark.parametrize(
    ("domain", "code", "alive", "reason"),
    [
        (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_SYSTEM_ERROR, False, "LibvirtDown"),
        (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_INTERNAL_ERROR, None, "LibvirtDown"),
        (libvirt.VIR_FROM_REMOTE, libvirt.VIR_ERR_SYSTEM_ERROR, False, "LibvirtDown"),
        (libvirt.VIR_FROM_NONE, libvirt.VIR_ERR_INVALID_CONN, False, "LibvirtDown"),
        (libvirt.VIR_FROM_NONE, libvirt.VIR_ERR_NO_CONNECT, True, "LibvirtDown"),
        # the daemon passes on what its own call to virtlogd ran into
        (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_SYSTEM_ERROR, True, "InternalError"),
        # "cannot acquire state change lock": an earlier call about this domain has not ended
        (libvirt.VIR_FROM_QEMU, libvirt.VIR_ERR_OPERATION_TIMEOUT, True, "QEMUHangs"),
        # a message that is too large, an answer that cannot be read, a user who may not
        (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_RPC, True, "InternalError"),
        (libvirt.VIR_FROM_REMOTE, libvirt.VIR_ERR_RPC, True, "InternalError"),
        (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_AUTH_FAILED, False, "InternalError"),
        (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_CONFIG_UNSUPPORTED, True, "ConfigRefused"),
    ],
)
def test_only_an_error_of_a_connection_that_is_gone_says_that_libvirt_is_away(
    domain: int, code: int, alive: bool | None, reason: str
) -> None:
    with pytest.raises(QuantixError) as told:
        translated(lambda: fail(domain, code, "what it says"), Connection(alive))
    assert told.value.reason == reason


def test_what_libvirt_itself_could_not_do_says_what_that_was() -> None:
    with pytest.raises(TransientError, match="monitor") as told:
        translated(lambda: fail(libvirt.VIR_FROM_QEMU, libvirt.VIR_ERR_INTERNAL_ERROR, "monitor closed"))
    assert told.value.reason == "InternalError"


def test_a_disk_that_finds_no_asynchronous_io_left_says_which_limit_to_raise() -> None:
    said = (
        f"internal error: qemu unexpectedly closed the monitor: -blockdev: Unable to use native AIO: {NO_AIO}"
    )
    with pytest.raises(TransientError, match=r"sysctl -w fs\.aio-max-nr=") as told:
        translated(lambda: fail(libvirt.VIR_FROM_QEMU, libvirt.VIR_ERR_INTERNAL_ERROR, said))
    assert told.value.reason == "KernelLimit"


_CUT = "End of file while reading data: Input/output error"


@pytest.mark.parametrize(
    ("domain", "alive", "told"),
    [
        (libvirt.VIR_FROM_RPC, False, f"libvirt ended here meanwhile: {_CUT}."),
        (libvirt.VIR_FROM_RPC, True, f"libvirt of h2 ended meanwhile, or the way there: {_CUT}."),
        (libvirt.VIR_FROM_QEMU, True, f"libvirt says: {_CUT}."),
    ],
)
def test_a_guest_that_was_not_sent_says_whose_libvirt_ended(domain: int, alive: bool, told: str) -> None:
    with pytest.raises(libvirt.libvirtError) as found:
        fail(domain, libvirt.VIR_ERR_SYSTEM_ERROR, _CUT)
    error = why_not_sent(found.value, Connection(alive), "h2")
    whose = "TargetFailed" if "h2" in told else "SourceFailed"
    assert (error.reason, error.message) == (whose, told)


def test_a_move_with_local_disks_counts_the_memory_that_follows_from_the_beginning() -> None:
    disks = {"disk_total": 600, "disk_remaining": 0}
    at_disks = progress_of(disks, 400)
    assert (at_disks.done_bytes, at_disks.total_bytes) == (600, 1000)
    at_memory = progress_of({**disks, "memory_total": 400, "memory_remaining": 300}, 400)
    assert (at_memory.done_bytes, at_memory.total_bytes) == (700, 1000)


class OfOneCall:
    """A connection whose end nobody is told of."""

    closed = False

    def isAlive(self) -> int:
        return 1

    def unregisterCloseCallback(self) -> None:
        raise libvirt.libvirtError("A different callback was requested")

    def close(self) -> None:
        self.closed = True


def test_a_connection_of_one_call_is_closed() -> None:
    connection = OfOneCall()
    close_quietly(connection)
    assert connection.closed
