"""`qx vm detach` follows what it took out until the guest has let it go, and says what keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.messages import render
from quantix_cli.commands import plugging
from quantix_cli.exits import CommandError, Exit
from quantix_cli.vm.departure import Departure, departures
from quantix_lab.qx_session import Looks, qx_session

Manifest = dict[str, Any]
DISK = {"name": "data", "volume": "safe"}
NIC = {"name": "eth1", "network": "db"}
DRIVE = {"name": "cd", "image": "i"}
MANY = 200
KEPT = render("WaitingForGuest", device="disk data", name="web-1")


def vm(spec: Manifest | None = None, generation: int = 2, **status: Any) -> Manifest:
    metadata = {"name": "web-1", "namespace": "default", "generation": generation}
    return {"metadata": metadata, "spec": spec or {}, "status": status}


def runs(
    *,
    open_disks: tuple[str, ...] = (),
    pending: str = "",
    message: str = "",
    generation: int = 2,
    compared: int = 0,
    **more: Any,
) -> Manifest:
    runtime: Manifest = {"domain": "Present", "disks": [{"name": name} for name in open_disks]}
    runtime["resolvedGeneration"] = compared
    runtime |= {"pendingChanges": [{"path": pending, "running": "attached"}]} if pending else {}
    ready = {"type": "Ready", "status": "False" if message else "True", "message": message}
    return vm(runtime=runtime, conditions=[ready | {"observedGeneration": generation}], **more)


def leaving(kind: str, device: Manifest) -> Departure:
    [one] = departures(vm({kind: [device]}), vm())
    return one


def looks_until_settled(one: Departure, seen: Manifest) -> int | None:
    return next((number for number in range(1, MANY) if one.is_settled(seen)), None)


@pytest.mark.parametrize(
    ("before", "after", "described"),
    [
        ({"disks": [DISK]}, {}, ["disk data (volume safe)"]),
        ({"nics": [NIC]}, {"nics": []}, ["NIC eth1 (network db)"]),
        ({"cdroms": [DRIVE]}, {"cdroms": [{"name": "cd"}]}, ["medium i in drive cd"]),
        ({"cdroms": [{"name": "cd"}]}, {}, ["drive cd"]),
        ({"disks": [DISK]}, {"disks": [DISK]}, []),
    ],
)
def test_what_leaves_is_named(before: Manifest, after: Manifest, described: list[str]) -> None:
    found = departures(vm(before, generation=1), vm(after))
    assert [one.described for one in found] == described


def test_a_disk_is_gone_once_qemu_has_it_no_more() -> None:
    disk = leaving("disks", DISK)
    assert looks_until_settled(disk, runs(open_disks=("root", "data"))) is None
    gone = runs(open_disks=("root",))
    assert (disk.is_settled(gone), disk.fate(gone), disk.hint(gone, "web-1")) == (True, "is unplugged", "")


def test_what_the_guest_keeps_is_followed_for_a_while_and_then_told() -> None:
    disk, kept = leaving("disks", DISK), runs(open_disks=("data",), message=KEPT.text)
    looks = looks_until_settled(disk, kept)
    assert looks is not None
    assert looks * 0.2 == pytest.approx(20.0)
    assert disk.fate(kept) == "stays until the guest lets go of it"
    assert disk.hint(kept, "web-1") == KEPT.hint


def test_what_is_said_to_wait_for_a_start_while_it_is_unplugged_is_not_told_so() -> None:
    disk = leaving("disks", DISK)
    kept = runs(open_disks=("data",), message=KEPT.text, pending="spec.disks[data]")
    assert disk.fate(kept) == "stays until the guest lets go of it"


@pytest.mark.parametrize(
    ("one", "seen"),
    [
        (leaving("disks", DISK), runs(open_disks=("data",), pending="spec.disks[data]")),
        (leaving("cdroms", {"name": "cd"}), runs(pending="spec.cdroms[cd]")),
    ],
    ids=["a SATA disk", "a drive"],
)
def test_what_cannot_be_unplugged_leaves_with_the_next_start(one: Departure, seen: Manifest) -> None:
    assert looks_until_settled(one, seen) is not None
    assert one.fate(seen) == "leaves with the next start"
    assert one.hint(seen, "web-1 -n shop") == "qx vm restart web-1 -n shop"


def test_a_nic_is_gone_once_nothing_is_said_of_it_for_a_while() -> None:
    nic = leaving("nics", NIC)
    assert looks_until_settled(nic, runs(nics=[NIC])) is None
    assert looks_until_settled(nic, runs(generation=1)) is None
    assert looks_until_settled(nic, runs()) is not None
    assert nic.fate(runs()) == "is unplugged"


@pytest.mark.parametrize(
    ("one", "seen", "fate"),
    [
        (leaving("nics", NIC), runs(compared=2), "is unplugged"),
        (leaving("cdroms", DRIVE), runs(compared=2), "is taken out"),
        (
            leaving("disks", DISK),
            runs(open_disks=("data",), pending="spec.disks[data]", compared=2),
            "leaves with the next start",
        ),
    ],
)
def test_what_the_host_has_compared_with_its_guest_is_told_at_once(
    one: Departure, seen: Manifest, fate: str
) -> None:
    assert looks_until_settled(one, seen) == 1
    assert one.fate(seen) == fate


@pytest.mark.parametrize(
    ("one", "seen"),
    [
        (leaving("nics", NIC), runs(compared=1)),
        (leaving("nics", NIC), runs(compared=2, message="NIC eth0 is not bound.")),
        (leaving("cdroms", DRIVE), runs(pending="spec.cdroms[cd].image", compared=2)),
    ],
    ids=["compared before", "another wait is told", "a drive that may open"],
)
def test_what_may_still_be_done_is_followed_for_a_while(one: Departure, seen: Manifest) -> None:
    looks = looks_until_settled(one, seen)
    assert looks is not None
    assert looks * 0.2 == pytest.approx(3.0)


def test_a_medium_does_not_wait_for_what_a_guest_keeps_of_something_else() -> None:
    medium, seen = leaving("cdroms", DRIVE), runs(message=KEPT.text)
    assert looks_until_settled(medium, seen) is not None
    assert medium.fate(seen) == "is taken out"


def test_a_vm_that_is_off_has_it_no_more() -> None:
    disk, off = leaving("disks", DISK), vm(runtime={"domain": "Absent"})
    assert (disk.is_settled(off), disk.fate(off), disk.hint(off, "web-1")) == (True, "is taken out", "")


class Detached(Looks):
    """A VM whose devices left spec; its guest keeps a disk for ever."""

    async def patch(self, *_: Any, **__: Any) -> Manifest:
        return await self.get()


async def test_a_disk_that_its_guest_keeps_ends_the_command_with_8(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = runs(open_disks=("data",), message=KEPT.text)
    before = vm({"disks": [DISK], "cdroms": [DRIVE]}, 1)
    before["metadata"]["resourceVersion"] = "7"
    asking = qx_session(Detached(kept), timeout_s=60.0)
    with pytest.raises(CommandError) as ended:
        await plugging._detach(asking, before, lambda _: {"spec": {"disks": [], "cdroms": []}}, wait=True)
    assert (ended.value.exit_code, ended.value.message, ended.value.hint) == (
        Exit.TIMED_OUT,
        "web-1: disk data (volume safe) stays until the guest lets go of it.",
        KEPT.hint,
    )
    waited = "web-1: The guest has not let go of disk data yet.\n"
    assert capsys.readouterr().err == f"{waited}web-1: medium i in drive cd is taken out.\n"
