"""A NIC or a disk that comes to a VM which waits for something else tells what it waits for itself."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.messages import render
from quantix_cli.exits import CommandError
from quantix_cli.left_behind import telling_what_stays_in
from quantix_cli.nouns import NOUNS
from quantix_cli.vm.arrival import Arrival, arrival
from quantix_cli.waiting import Wait, until
from quantix_lab.qx_session import Looks, qx_session

Manifest = dict[str, Any]
DATA = {"name": "data", "volume": "safe"}
NIC = {"name": "eth1", "network": "db", "addresses": ["10.9.0.7"]}
NO_ROOM = "box has 2 GiB free; 8 GiB are needed."
TAKEN_ADDRESS = "Address 10.9.0.7 in network db belongs to VM shop/web-2."


def runs(*conditions: Manifest, spec: Manifest | None = None, pending: str = "") -> Manifest:
    """A VM that runs, as its host compared it with generation 2."""
    metadata = {"name": "web-1", "namespace": "default", "generation": 2}
    runtime: Manifest = {"domain": "Present", "disks": [], "resolvedGeneration": 2}
    runtime |= {"pendingChanges": [{"path": pending, "wanted": "attached"}]} if pending else {}
    status = {"runtime": runtime, "conditions": list(conditions)}
    return {"metadata": metadata, "spec": spec or {}, "status": status}


def told(status: str, reason: str, kind: str = "Ready", generation: int = 2) -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "observedGeneration": generation}


def wishful(*more: Manifest) -> list[Manifest]:
    """The conditions of a VM that runs and waits for room to grow; its host repeats that in Ready."""
    wish = (told("False", "NotEnoughMemory", kind) for kind in ("Ready", "SizeGranted"))
    return [*(one | {"message": NO_ROOM} for one in wish), *more]


def in_use(kind: str = "NetworkReady", reason: str = "AddressInUse", generation: int = 2) -> Manifest:
    return told("False", reason, kind, generation) | {"message": TAKEN_ADDRESS}


async def test_a_nic_whose_address_is_taken_says_so_beside_a_wish_to_grow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    came = arrival(runs(*wishful()), runs(spec={"nics": [NIC]}))
    assert came is not None
    begun = runs(*wishful(told("False", "Programming", "NetworkReady") | {"message": "db is being set up."}))
    looks = Looks(runs(*wishful()), begun, runs(*wishful(in_use(generation=1))), runs(*wishful(in_use())))
    wait = Wait(ended_by=came.ended_by, said_by=came.said_by)
    with pytest.raises(CommandError, match=r"waits: Address .* in network db belongs") as ended:
        await until(qx_session(looks), NOUNS["vm"], runs(*wishful()), came.is_settled, wait)
    assert "2 GiB free" not in str(ended.value) + capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "conditions", "said"),
    [
        ({"nics": [NIC]}, wishful(), ""),
        ({"nics": [NIC]}, wishful(told("True", "AllReady", "NetworkReady") | {"message": "All."}), ""),
        ({"nics": [NIC]}, wishful(in_use(reason="Programming")), TAKEN_ADDRESS),
        ({"disks": [DATA]}, wishful(in_use("VolumesReady", "Creating")), TAKEN_ADDRESS),
        ({"disks": [DATA]}, wishful(), ""),
        ({"disks": [DATA]}, [told("False", "GuestNotReady") | {"message": "Booting."}], "Booting."),
    ],
)
def test_a_device_tells_what_it_waits_for_itself(
    device: Manifest, conditions: list[Manifest], said: str
) -> None:
    came = arrival(runs(), runs(spec=device))
    assert came is not None
    assert came.said_by(runs(*conditions)).get("message", "") == said


def test_a_disk_that_its_pool_has_no_room_for_is_not_waited_for() -> None:
    full = told("False", "PoolFull", "VolumesReady") | {"message": "Pool local can promise 1 GiB more."}
    came = arrival(runs(), runs(spec={"disks": [DATA]}))
    assert came is not None
    assert came.ended_by(runs(told("True", "Running"))) is None
    end = came.ended_by(runs(full))
    assert end is not None
    assert end.goes_on
    other = arrival(runs(full), runs(spec={"disks": [DATA]}))
    assert other is not None
    assert other.ended_by(runs(full)) is None, "another disk waited for room before"


def test_a_disk_beside_a_wish_to_grow_comes_with_the_next_start() -> None:
    came, listed = Arrival("disks", DATA, 2), runs(*wishful(), pending="spec.disks[data]")
    assert any(came.is_settled(listed) for _ in range(20))
    assert not came.is_there(listed)


def held(said: Manifest) -> Manifest:
    return runs(told("True", "Running"), said)


def volume_in_use(**fields: str) -> Manifest:
    return told("False", "VolumeInUse", "VolumesReady") | {"message": render("VolumeInUse", **fields).text}


async def test_a_volume_that_another_vm_has_is_not_waited_for() -> None:
    came = arrival(runs(), runs(spec={"disks": [DATA]}))
    assert came is not None
    wait = Wait(ended_by=came.ended_by, said_by=came.said_by)
    looks = Looks(held(volume_in_use(volume="safe", user="web-2")))
    asking = qx_session(looks, timeout_s=60.0)
    began_s = asking.clock.monotonic()
    with pytest.raises(CommandError) as ended, telling_what_stays_in("web-1", "data"):
        await until(asking, NOUNS["vm"], runs(), came.is_settled, wait)
    assert ended.value.message == (
        "web-1 waits: Volume safe is in use by web-2. It goes on by itself once that is done."
    )
    assert ended.value.hint == "stop that one, or use another volume; qx vm detach web-1 data takes it out"
    assert asking.clock.monotonic() - began_s < 4.0


@pytest.mark.parametrize(
    "said",
    [
        volume_in_use(host="box"),
        volume_in_use(volume="another", user="web-2"),
    ],
)
def test_a_volume_that_is_about_to_come_is_waited_for(said: Manifest) -> None:
    came = arrival(runs(), runs(spec={"disks": [DATA]}))
    assert came is not None
    assert not any(came.ended_by(held(said)) for _ in range(100))


def test_a_volume_that_its_last_vm_lets_go_of_is_waited_for() -> None:
    came = arrival(runs(), runs(spec={"disks": [DATA]}))
    assert came is not None
    last = held(volume_in_use(volume="safe", user="web-2"))
    assert not any(came.ended_by(last) for _ in range(10))
    assert came.ended_by(held(told("True", "AllReady", "VolumesReady"))) is None
