"""When `qx volume resize` is done, and when it waits no longer."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import VIRTUAL_MACHINES, Resource
from quantix_cli.ending import move_end
from quantix_cli.exits import CommandError, Exit
from quantix_cli.growing import is_grown
from quantix_cli.session import Session
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]

FULL = "Pool local can promise 453 GiB more; 800 GiB are needed. Try: free space in pool local."


def volume(capacity: str, *, wanted: str = "900Gi", refused_at: int = 0) -> dict[str, Any]:
    refused = {"type": "SizeGranted", "status": "False", "reason": "PoolFull", "message": FULL}
    conditions = [{**refused, "observedGeneration": refused_at}] if refused_at else []
    return {
        "metadata": {"name": "data", "generation": 4},
        "spec": {"size": wanted},
        "status": {"capacity": capacity, "conditions": conditions},
    }


@pytest.mark.parametrize(
    ("seen", "grown"),
    [
        (volume("900Gi"), True),
        (volume("900Gi", refused_at=4), True),
        (volume("1Gi"), False),
        # of an earlier size, or before the VM's wish has reached the volume
        (volume("1Gi", refused_at=3), False),
        (volume("1Gi", wanted="1Gi", refused_at=4), False),
    ],
)
def test_it_is_done_once_the_guest_sees_the_size(seen: dict[str, Any], grown: bool) -> None:
    assert is_grown(seen, "900Gi") is grown


def test_a_pool_without_room_ends_the_wait_and_says_so() -> None:
    with pytest.raises(CommandError, match="data keeps its size: Pool local can promise 453 GiB") as told:
        is_grown(volume("1Gi", refused_at=4), "900Gi")
    assert told.value.hint == "free space in pool local"


ROOT = {"name": "root", "size": "1Gi"}


def condition(kind: str, status: str, reason: str, generation: int) -> Manifest:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": FULL,
        "observedGeneration": generation,
    }


def stored(asks: str, *conditions: Manifest, has: str = "", generation: int = 4, vm: str = "") -> Manifest:
    """A volume in the API; `vm`: the VM that it was made for."""
    metadata: Manifest = {"name": "web-1-root", "namespace": "shop", "generation": generation}
    metadata |= {"annotations": {"quantix.io/virtual-machine": vm}} if vm else {}
    status: Manifest = {"conditions": list(conditions)} | ({"capacity": has} if has else {})
    return {"metadata": metadata, "spec": {"size": asks, "pool": "local"}, "status": status}


def machine(size: str, *conditions: Manifest, host: str = "", generation: int = 7) -> Manifest:
    metadata = {"name": "web-1", "namespace": "shop", "generation": generation, "resourceVersion": "1"}
    resolved = {"disks": [{"name": "root", "volume": "web-1-root"}]}
    status: Manifest = {"conditions": list(conditions), "resolved": resolved}
    status |= {"assignment": {"host": host}} if host else {}
    return {"metadata": metadata, "spec": {"disks": [{"name": "root", "size": size}]}, "status": status}


class Api:
    """Has a volume, a VM and a pool; each has changed to `after` once it was written to. `written` counts."""

    def __init__(
        self,
        volume: Manifest,
        after: Manifest,
        *,
        vm: Manifest | None = None,
        vm_after: Manifest | None = None,
        capacity: str = "1Ti",
    ) -> None:
        self.volume, self.after, self.vm, self.vm_after = volume, after, vm, vm_after
        self.written: list[Manifest] = []
        self.capacity = capacity

    async def get(self, resource: Resource, *_: Any) -> Manifest:
        if resource is VIRTUAL_MACHINES:
            found = self.vm_after if self.written else self.vm
            assert found is not None
            return found
        return self.after if self.written else self.volume

    async def list(self, *_: Any, **__: Any) -> ListResult:
        pool = {"metadata": {"name": "local"}, "spec": {"overcommitPercent": 200}}
        return ListResult([{**pool, "status": {"capacity": self.capacity}}], "1")

    async def patch(self, resource: Resource, _: str, patch: Manifest, *__: Any, **___: Any) -> Manifest:
        before = self.vm if resource is VIRTUAL_MACHINES else self.volume
        assert before is not None
        self.written.append(patch["spec"])
        generation = before["metadata"]["generation"] + 1
        return {**before, "metadata": {**before["metadata"], "generation": generation}}


def session(api: Api) -> Session:
    return qx_session(api, namespace="shop", timeout_s=30.0)


async def resized(api: Api, size: str, *, wait: bool = False) -> None:
    await typed(session(api), f"volume resize web-1-root {size} {'' if wait else '--no-wait'}")


UNMADE = stored("20Gi")
REFUSED = stored("900Gi", condition("SizeGranted", "False", "PoolFull", 5), has="1Gi", generation=5)
GRANTED = stored("900Gi", condition("SizeGranted", "True", "Granted", 5), has="1Gi", generation=5)
NO_ROOM = condition("VolumesReady", "False", "PoolFull", 8)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("host", ["box", ""])
async def test_that_its_pool_has_no_room_is_told_without_a_wait_too(wait: bool, host: str) -> None:
    alone = Api(stored("1Gi", has="1Gi"), REFUSED)
    with pytest.raises(CommandError, match="keeps its size: Pool local can promise 453 GiB more"):
        await resized(alone, "900Gi", wait=wait)
    before = stored("1Gi", has="1Gi", vm="web-1")
    refused = machine("900Gi", NO_ROOM, host=host, generation=8)
    of_vm = Api(before, before, vm=machine("1Gi", host=host), vm_after=refused)
    with pytest.raises(CommandError, match="It grows by itself once there is room") as ended:
        await resized(of_vm, "900Gi", wait=wait)
    assert ended.value.hint == "free space in pool local"
    assert of_vm.written == [{"disks": [{"name": "root", "size": "900Gi"}]}]


async def test_a_wish_that_is_told_again_is_refused_again(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="keeps its size"):
        await resized(Api(REFUSED, REFUSED), "900Gi")
    unmade, asks = stored("1Gi", vm="web-1"), machine("900Gi", NO_ROOM, generation=7)
    with pytest.raises(CommandError, match="is not made yet"):
        await resized(Api(unmade, unmade, vm=asks, vm_after=machine("900Gi", NO_ROOM)), "900Gi")
    await resized(Api(unmade, unmade, vm=machine("1Gi")), "1Gi")
    assert capsys.readouterr().err == "web-1-root is to have 1GiB already.\n"


async def test_what_is_granted_is_told_to_come(capsys: pytest.CaptureFixture[str]) -> None:
    await resized(Api(stored("1Gi", has="1Gi"), GRANTED), "900Gi")
    before, after = (stored(size, has="1Gi", vm="web-1") for size in ("1Gi", "900Gi"))
    # another disk of the VM waits for room
    off = machine("900Gi", NO_ROOM, generation=8)
    await resized(Api(before, after, vm=machine("1Gi"), vm_after=off), "900Gi", wait=True)
    runs = machine("900Gi", host="box", generation=8)
    await resized(Api(before, after, vm=machine("1Gi", host="box"), vm_after=runs), "900Gi")
    assert capsys.readouterr().err.splitlines() == [
        "web-1-root will have 900GiB.",
        "web-1-root will have 900GiB at the next start of web-1, which does not run.",
        "web-1-root will have 900GiB.",
    ]


GIVEN = stored("1Gi", has="1Gi")
GIVEN["status"]["attachedTo"] = [{"name": "web-1", "uid": "u"}]
LATER_TURN = "its volume was used under turn 2 already, web-1 has turn 1"


def unplugged(*, listed: bool, why: str = "") -> Manifest:
    """A VM that runs and only names the volume."""
    vm = machine("1Gi", host="box")
    vm["spec"] = {"disks": [{"name": "files", "volume": "web-1-root"}]}
    change = {"path": "spec.disks[files]", "wanted": "attached"} | ({"why": why} if why else {})
    vm["status"]["runtime"] = {"domain": "Present", "pendingChanges": [change] if listed else []}
    return vm


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize(("why", "told"), [(LATER_TURN, LATER_TURN), ("", "web-1 runs and has not taken it")])
async def test_what_a_vm_takes_at_its_next_start_is_not_waited_for(
    capsys: pytest.CaptureFixture[str], wait: bool, why: str, told: str
) -> None:
    vm = unplugged(listed=True, why=why)
    await resized(Api(GIVEN, GRANTED, vm=vm, vm_after=vm), "900Gi", wait=wait)
    assert capsys.readouterr().err.splitlines() == [
        f"web-1-root will have 900GiB at the next start of web-1: {told}.",
        "Try: qx vm restart -n shop web-1",
    ]


async def test_what_a_wait_for_a_size_waits_for_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    said = condition("Ready", "True", "Available", 5) | {"message": "It grows to 900Gi once a guest has it."}
    after = stored("900Gi", *GRANTED["status"]["conditions"], said, has="1Gi", generation=5)
    vm = unplugged(listed=False)
    with pytest.raises(CommandError, match="is not there yet: It grows to 900Gi once a guest has it"):
        await resized(Api(GIVEN, after, vm=vm, vm_after=vm), "900Gi", wait=True)
    assert "web-1-root: It grows to 900Gi once a guest has it." in capsys.readouterr().err


async def test_that_nobody_answers_is_told_with_how_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    old = stored("900Gi", condition("SizeGranted", "True", "Granted", 4), has="1Gi", generation=5)
    await resized(Api(stored("1Gi", has="1Gi"), old), "900Gi")
    said = machine("900Gi", condition("VolumesReady", "False", "PoolFull", 7), generation=8)
    before = stored("1Gi", has="1Gi", vm="web-1")
    await resized(Api(before, before, vm=machine("1Gi"), vm_after=said), "900Gi")
    told = (
        "web-1-root is to have 900GiB; nobody has said yet that there is room for it. "
        "See: qx volume explain -n shop web-1-root"
    )
    assert capsys.readouterr().err.splitlines() == [told, told]


async def test_what_is_not_made_yet_may_become_smaller(capsys: pytest.CaptureFixture[str]) -> None:
    made = stored("5Gi", condition("Ready", "False", "WaitingForHost", 5), generation=5)
    api = Api(UNMADE, made)
    await resized(api, "5Gi", wait=True)
    assert api.written == [{"size": "5Gi"}]
    assert capsys.readouterr().err == "web-1-root will have 5GiB.\n"
    full = stored("900Gi", condition("Ready", "False", "PoolFull", 5), generation=5)
    with pytest.raises(CommandError, match=r"is not made yet: Pool local .* It is made by itself once"):
        await resized(Api(UNMADE, full), "900Gi")


async def test_a_wish_that_waits_for_room_can_be_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(REFUSED, stored("1Gi", has="1Gi", generation=6))
    await resized(api, "1Gi")
    assert api.written == [{"size": "1Gi"}]
    before = stored("1Gi", has="1Gi", vm="web-1")
    of_vm = Api(before, before, vm=machine("900Gi"), vm_after=machine("1Gi", generation=8))
    await resized(of_vm, "1Gi")
    assert of_vm.written == [{"disks": [ROOT]}]
    capsys.readouterr()
    await resized(Api(before, before, vm=machine("1Gi")), "1Gi")
    assert capsys.readouterr().err == "web-1-root has 1GiB already.\n"


@pytest.mark.parametrize(
    ("volume", "size", "capacity", "said"),
    [
        (stored("4Gi", has="4Gi"), "1Gi", "1Ti", "A volume only grows, and web-1-root has 4GiB."),
        (UNMADE, "100Ti", "1Ti", "Pool local can promise 2 TiB in all; 100 TiB are wanted (PoolFull)."),
    ],
)
async def test_what_cannot_be_is_not_sent(volume: Manifest, size: str, capacity: str, said: str) -> None:
    api = Api(volume, volume, capacity=capacity)
    with pytest.raises(CommandError) as refused:
        await resized(api, size)
    assert (refused.value.exit_code, str(refused.value), api.written) == (Exit.REFUSED, said, [])


def test_a_move_ends_where_the_other_pool_has_no_room() -> None:
    no = condition("MoveGranted", "False", "PoolFull", 4)
    end = move_end(stored("1Gi", no), "local")
    assert end is not None
    assert end.goes_on
    never = move_end(stored("1Gi", condition("MoveGranted", "False", "ConfigRefused", 4)), "local")
    assert never is not None
    assert not never.goes_on
    # a wish to grow waits for room where it is; of an earlier wish; before spec says so
    assert move_end(stored("1Gi", condition("Ready", "False", "PoolFull", 4)), "local") is None
    assert move_end(stored("1Gi", no, generation=5), "local") is None
    assert move_end(stored("1Gi", no), "fast") is None


class Strict(Api):
    """Takes no smaller disk, as the policy `quantix-sizes`."""

    async def patch(self, *_: Any, **__: Any) -> Manifest:
        raise Forbidden(
            'virtualmachines.quantix.io "web-1" is forbidden: ValidatingAdmissionPolicy denied request: '
            "Disk root can only grow, and has 20Gi. Try: ask for at least that; a smaller disk is a new one."
        )


@pytest.mark.parametrize(
    ("image", "way_out"),
    [
        ("", "qx vm detach web-1 root, qx volume delete web-1-root, then qx vm attach web-1 --disk 5GiB"),
        ("tiny", "qx vm delete web-1 --volumes, and qx vm create it with --size 5GiB"),
    ],
)
async def test_a_disk_that_stays_as_large_though_nothing_is_made_of_it_has_a_way_out(
    image: str, way_out: str
) -> None:
    unmade, off = stored("20Gi", vm="web-1"), machine("20Gi")
    off["spec"]["disks"][0] |= {"image": image} if image else {}
    with pytest.raises(CommandError, match=r"Disk root can only grow, and has 20Gi\.") as refused:
        await resized(Strict(unmade, unmade, vm=off), "5Gi")
    assert (refused.value.exit_code, refused.value.hint) == (Exit.REFUSED, way_out)
    with pytest.raises(CommandError) as other:
        await resized(Strict(unmade, unmade, vm=off), "50Gi")
    assert other.value.hint == "ask for at least that; a smaller disk is a new one"
