"""`qx vm attach` follows what it brought until the guest has it, and says what that is."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from quantix_cli.commands import plugging
from quantix_cli.exits import CommandError
from quantix_cli.nouns import NOUNS
from quantix_cli.vm.arrival import Arrival, arrival
from quantix_cli.waiting import Wait, until
from quantix_client.errors import Forbidden
from quantix_lab.qx_session import Looks, qx_session

Manifest = dict[str, Any]
DATA = {"name": "data", "volume": "safe"}
DISK = Arrival("disks", DATA, 2)
MANY = 20
SLOTLESS = "web-1 was started with no slot left for it"
SPENT = "its volume was used under turn 2 already, web-1 has turn 1, and a restart gives web-1 a later one"


def vm(spec: Manifest | None = None, generation: int = 2, **status: Any) -> Manifest:
    metadata = {"name": "web-1", "namespace": "default", "generation": generation}
    return {"metadata": metadata, "spec": spec or {}, "status": status}


def runs(
    *conditions: Manifest,
    pending: str = "",
    why: str = "",
    open_disks: tuple[str, ...] = (),
    compared: int = 2,
    **more: Any,
) -> Manifest:
    """`compared`: up to which generation its host compared it with what the operator resolved; `why`: what it
    says of the change that is `pending`.
    """
    runtime: Manifest = {"domain": "Present", "disks": [{"name": name} for name in open_disks]}
    runtime["resolvedGeneration"] = compared
    change = {"path": pending, "wanted": "attached"} | ({"why": why} if why else {})
    runtime |= {"pendingChanges": [change]} if pending else {}
    return vm(runtime=runtime, conditions=list(conditions), **more)


def told(status: str, reason: str, kind: str = "Ready", generation: int = 2) -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "observedGeneration": generation}


def settles(came: Arrival, seen: Manifest) -> bool:
    return any(came.is_settled(seen) for _ in range(MANY))


RUNNING = told("True", "Running")


@pytest.mark.parametrize(
    ("before", "after", "described"),
    [
        ({}, {"disks": [DATA]}, "disk data (volume safe)"),
        ({}, {"disks": [{"name": "disk1", "size": "5Gi"}]}, "disk disk1 (5Gi)"),
        ({"nics": [{"name": "eth0"}]}, {"nics": [{"name": "eth0"}, {"name": "eth1", "network": "db"}]},
         "NIC eth1 (network db)"),
        ({"cdroms": [{"name": "cd"}]}, {"cdroms": [{"name": "cd", "image": "i"}]}, "medium i in drive cd"),
        ({}, {"cdroms": [{"name": "cd", "image": "i"}]}, "medium i in drive cd"),
    ],
)  # fmt: skip
def test_what_came_is_named(before: Manifest, after: Manifest, described: str) -> None:
    came = arrival(vm(before, generation=1), vm(after))
    assert came is not None
    assert (came.described(vm(after)), came.generation) == (described, 2)


def test_nothing_came_where_the_vm_has_it_already() -> None:
    assert arrival(vm({"disks": [DATA]}), vm({"disks": [DATA]})) is None


def test_a_disk_made_for_the_vm_is_named_by_its_volume() -> None:
    came = Arrival("disks", {"name": "data", "size": "1Gi"}, 2)
    made = vm(resolved={"disks": [{"name": "data", "volume": "web-1-data"}]})
    assert came.described(made) == "disk data (volume web-1-data)"


def test_a_disk_is_there_once_qemu_has_it_open_whatever_else_is_wrong() -> None:
    waits = runs(told("False", "SecretNotGranted"), pending="spec.disks[data]")
    assert not settles(DISK, waits)
    has = runs(told("False", "GuestNotReady"), open_disks=("root", "data"))
    assert (DISK.is_settled(has), DISK.is_there(has)) == (True, True)


def test_a_disk_is_waited_for_while_nobody_has_resolved_the_change() -> None:
    assert not settles(DISK, runs(told("True", "Running", generation=1), open_disks=("root",)))
    assert not settles(DISK, runs(RUNNING, open_disks=("root",)))


@pytest.mark.parametrize(
    ("device", "ready"),
    [
        (DATA, RUNNING),
        # no look at Ready is needed: QEMU cannot take it while it runs
        (DATA | {"bus": "SATA"}, told("False", "GuestNotReady")),
    ],
)
def test_what_stays_to_be_done_while_all_is_well_comes_with_the_next_start(
    device: Manifest, ready: Manifest
) -> None:
    came, seen = Arrival("disks", device, 2), runs(ready, pending="spec.disks[data]")
    # an earlier disk of that name may be what leaves with the next start
    assert not settles(came, runs(ready, pending="spec.disks[data]", compared=1))
    assert came.is_settled(seen), "its host has compared it: nothing is looked at again"
    assert not came.is_there(seen)


def test_a_vm_that_is_off_has_it_at_its_next_start() -> None:
    off = vm(runtime={"domain": "Absent"})
    assert (DISK.is_settled(off), DISK.is_there(off)) == (True, False)


def test_a_nic_is_there_once_its_network_is_ready_and_nothing_waits() -> None:
    came = Arrival("nics", {"name": "eth1", "network": "db"}, 2)
    ready, nics = told("True", "AllReady", "NetworkReady"), [{"name": "eth0"}, {"name": "eth1"}]
    assert not settles(came, runs(told("False", "Programming", "NetworkReady"), nics=nics))
    assert not settles(came, runs(ready, nics=nics[:1]))
    assert not settles(came, runs(ready, nics=nics, compared=1)), "its instance type may be missing"
    assert settles(came, runs(ready, nics=nics))
    assert came.is_there(runs(ready, nics=nics))
    assert not came.is_there(runs(ready, nics=nics, pending="spec.nics[eth1]"))


def test_a_nic_is_not_waited_for_because_another_has_no_network() -> None:
    came = Arrival("nics", {"name": "eth1", "network": "db"}, 2)
    missing, nics = told("False", "NetworkNotFound", "NetworkReady"), [{"name": "eth0"}, {"name": "eth1"}]
    slots = {"devices": [{"name": "eth0", "port": 2}, {"name": "eth1", "port": 3}]}
    assert settles(came, runs(missing, nics=nics, resolved=slots))
    assert not settles(came, runs(missing, nics=nics[:1], resolved=slots))


def test_a_medium_that_is_checked_does_not_wait_for_other_devices_but_for_a_drive_that_opens() -> None:
    other = told("False", "SecretNotFound")
    assert not settles(Arrival("cdroms", {"name": "cd", "image": "i"}, 2), runs(other))
    came = Arrival("cdroms", {"name": "cd", "image": "i"}, 2, medium_is_checked=True)
    assert not settles(came, runs(told("False", "SecretNotFound", generation=1)))
    assert not settles(came, runs(other, pending="spec.cdroms[cd].image"))
    assert settles(came, runs(other))
    assert came.is_there(runs(other))
    new = Arrival("cdroms", {"name": "cd", "image": "i"}, 2, medium_is_checked=True)
    assert settles(new, runs(other, pending="spec.cdroms[cd]"))
    assert not new.is_there(runs(other, pending="spec.cdroms[cd]"))


def test_a_medium_is_there_once_its_host_compared_it_or_nothing_is_said_to_wait_for_a_while() -> None:
    came = Arrival("cdroms", {"name": "cd", "image": "i"}, 2)
    assert not settles(came, runs(told("False", "ImageDownloading")))
    assert not came.is_settled(runs(RUNNING, compared=1))
    assert settles(came, runs(RUNNING, compared=1))
    assert Arrival("cdroms", {"name": "cd", "image": "i"}, 2).is_settled(runs(RUNNING))
    assert came.is_there(runs(RUNNING))
    assert not came.is_there(runs(RUNNING, pending="spec.cdroms[cd]"))


def image(status: str, reason: str) -> Manifest:
    metadata = {"name": "i", "namespace": "default", "generation": 2}
    return {"metadata": metadata, "status": {"conditions": [told(status, reason)]}}


async def test_a_medium_that_is_on_its_way_is_waited_for_and_one_that_nobody_may_look_at_is_not() -> None:
    looks = [image("False", "ImageDownloading"), image("False", "Verifying"), image("True", "Verified")]

    class Api:
        async def get(self, *_: Any) -> Manifest:
            if looks:
                return looks.pop(0)
            raise Forbidden("may not look")

    typed = qx_session(Api(), timeout_s=9.0)
    assert await plugging._medium_is_checked(typed, vm(), "i")
    assert looks == []
    assert not await plugging._medium_is_checked(typed, vm(), "i")


def stalled(message: str, reason: str = "VolumeNotFound", generation: int = 2) -> list[Manifest]:
    """The conditions of a VM that runs while a disk of it has no volume."""
    kinds = (("False", "Ready"), ("False", "VolumesReady"), ("True", "Stalled"))
    return [told(status, reason, kind, generation) | {"message": message} for status, kind in kinds]


session = partial(qx_session, timeout_s=2.0)


async def test_a_device_does_not_fail_for_what_stalled_the_vm_before_it_came() -> None:
    others = stalled("There is no volume old here.")
    came = arrival(runs(*stalled("There is no volume old here.", generation=1)), runs(spec={"disks": [DATA]}))
    assert came is not None
    has = runs(*others, open_disks=("data",))
    seen = await until(
        session(Looks(runs(*others), has)), NOUNS["vm"], runs(*others), came.is_settled,
        Wait(ended_by=came.ended_by),
    )  # fmt: skip
    assert seen is has


async def test_a_device_fails_for_what_stalls_the_vm_since_it_came() -> None:
    came = arrival(runs(), runs(spec={"disks": [DATA]}))
    assert came is not None
    refused = runs(*stalled("Volume safe is in use by web-2.", "VolumeInUse"))
    with pytest.raises(CommandError, match="in use by web-2"):
        await until(
            session(Looks(refused)), NOUNS["vm"], refused, came.is_settled, Wait(ended_by=came.ended_by)
        )


async def test_a_nic_fails_for_what_is_said_of_it_alone_beside_a_disk_that_stalled_the_vm() -> None:
    others = stalled("Volume old is made from image other.", "VolumeConflict")
    nic = {"name": "eth1", "network": "db", "mac": "02:00:00:00:00:01"}
    came = arrival(runs(*others), runs(spec={"nics": [nic]}))
    assert came is not None
    taken = told("False", "IdentityConflict", "NetworkReady") | {"message": "That MAC is web-2's."}
    earlier = taken | {"observedGeneration": 1}
    with pytest.raises(CommandError, match=r"That MAC is web-2's\."):
        await until(
            session(Looks(runs(*others, earlier), runs(*others, taken))), NOUNS["vm"], runs(*others),
            came.is_settled, Wait(ended_by=came.ended_by),
        )  # fmt: skip
    again = arrival(runs(*others, taken), runs(spec={"nics": [nic]}))
    assert again is not None
    assert again.ended_by(runs(*others, taken)) is None, "it was said before the NIC came"
    disk = arrival(runs(*others), runs(spec={"disks": [DATA]}))
    assert disk is not None
    assert disk.ended_by(runs(*others, taken)) is None


def test_a_disk_that_needs_a_restart_is_not_waited_for_while_another_device_waits() -> None:
    others = stalled("There is no volume old here.")
    came = Arrival("disks", DATA, 2)
    listed = runs(*others, pending="spec.disks[data]")
    assert not came.is_settled(listed), "its host may be at it"
    assert settles(came, listed)
    assert not came.is_there(listed)
    assert not settles(Arrival("disks", DATA, 2), runs(*others)), "it waits for its volume itself"
    own = [told("False", "LibvirtDown") | {"message": "libvirt is away."}, *others[1:]]
    assert not settles(Arrival("disks", DATA, 2), runs(*own, pending="spec.disks[data]"))


@pytest.mark.parametrize(
    ("kind", "device", "seen", "why"),
    [
        ("disks", DATA, vm(), "web-1 does not run"),
        ("disks", DATA | {"bus": "SATA"}, runs(RUNNING), "a guest that runs takes no SATA disk"),
        (
            "disks",
            DATA | {"bus": "SCSI"},
            runs(RUNNING),
            "web-1 was started without a SCSI disk, so it has no controller for one",
        ),
        ("cdroms", {"name": "cd", "image": "i"}, runs(RUNNING), "a guest that runs gets no further drive"),
        ("nics", {"name": "eth1"}, runs(RUNNING, pending="spec.nics[eth1]", why=SLOTLESS), SLOTLESS),
        ("disks", DATA, runs(RUNNING, pending="spec.disks[data]", why=SPENT), SPENT),
        ("disks", DATA, runs(RUNNING, pending="spec.disks[data]"), "web-1 runs and has not taken it"),
        ("disks", DATA, runs(told("False", "PoolFull")), "web-1 runs and has not taken it"),
    ],
)
def test_what_comes_with_the_next_start_is_told_with_the_cause(
    kind: str, device: Manifest, seen: Manifest, why: str
) -> None:
    assert Arrival(kind, device, 2).why_later(seen) == why
