"""What a machine is, read from files that a test made."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_hostd.clients.machine import Machine, newest_machine_type
from quantix_hostd.facts.machine import NumaFacts

_FILES = {
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "sys/class/dmi/id/product_uuid": "4C4C4544-0042-3010-8052-B4C04F4D5331\n",
    "proc/sys/kernel/random/boot_id": "66666666-2222-3333-4444-555555555555\n",
    "proc/cpuinfo": "processor : 0\nvendor_id : AuthenticAMD\nmodel name : AMD EPYC\n\nprocessor : 1\n",
    "proc/meminfo": "MemTotal:       16384 kB\nMemFree: 1 kB\n",
    "sys/devices/system/cpu/online": "0-3,8-11,15\n",
    "sys/devices/system/node/node0/cpulist": "0-3\n",
    "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal:        8192 kB\n",
    "sys/devices/system/node/node1/cpulist": "8-11,15\n",
    "sys/devices/system/node/node1/meminfo": "Node 1 MemTotal:        8192 kB\n",
}


def machine(root: Path, **changes: str | None) -> Machine:
    for name, content in (_FILES | changes).items():
        if content is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    return Machine(root)


def test_all_of_it_is_read(tmp_path: Path) -> None:
    found = machine(tmp_path).read()
    assert (found.cpus, found.memory_bytes, found.cpu_model) == (9, 16 << 20, "AMD EPYC")
    assert found.numa == (NumaFacts(0, "0-3", 8 << 20), NumaFacts(1, "8-11,15", 8 << 20))
    assert found.boot_id == "66666666-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("line", "bits"),
    [
        ("address sizes\t: 46 bits physical, 48 bits virtual\n", 46),
        ("address sizes : unknown\n", None),
        ("", None),
    ],
)
def test_the_addresses_of_its_cpus_are_read_where_the_kernel_tells(
    tmp_path: Path, line: str, bits: int | None
) -> None:
    files = {"proc/cpuinfo": f"processor : 0\n{line}"}
    assert machine(tmp_path, **files).read().address_bits == bits


@pytest.mark.parametrize(
    ("groups", "has"),
    [
        ({}, False),
        ({"cgroup.controllers": "cpuset cpu io memory\n"}, True),
        ({"cgroup.controllers": "cpuset io memory\n"}, False),
        ({"cpu/cpu.shares": "1024\n"}, True),
        ({"memory/memory.limit_in_bytes": "1\n"}, False),
    ],
)
def test_cpu_time_can_be_limited_where_its_control_group_is(
    tmp_path: Path, groups: dict[str, str], has: bool
) -> None:
    files = {f"sys/fs/cgroup/{name}": content for name, content in groups.items()}
    assert machine(tmp_path, **files).read().cpu_controller is has


def test_the_identity_is_of_the_board_and_the_installation(tmp_path: Path) -> None:
    first = machine(tmp_path / "a").read().host_uid
    assert machine(tmp_path / "b").read().host_uid == first
    other_board = {"sys/class/dmi/id/product_uuid": "5c4c4544-0042-3010-8052-b4c04f4d5331"}
    assert machine(tmp_path / "c", **other_board).read().host_uid != first
    assert machine(tmp_path / "d", **{"etc/machine-id": "f" * 32}).read().host_uid != first


def test_a_board_without_uuid_is_told_apart_by_its_installation(tmp_path: Path) -> None:
    blank = {"sys/class/dmi/id/product_uuid": "00000000-0000-0000-0000-000000000000"}
    none: dict[str, str | None] = {"sys/class/dmi/id/product_uuid": None}
    assert machine(tmp_path / "a", **blank).read().host_uid == machine(tmp_path / "b", **none).read().host_uid


def test_a_machine_without_identity_cannot_be_a_host(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        machine(tmp_path, **{"etc/machine-id": "uninitialized\n"}).read()
    assert caught.value.reason == "NoMachineID"


def test_the_newest_versioned_machine_type_counts_by_number() -> None:
    names = ["q35", "pc-q35-9.2", "pc-q35-10.0", "pc-q35-7.2", "pc-i440fx-11.0"]
    listing = "".join(f"{name}  Standard PC (alias of pc-q35-9.2)\n" for name in names)
    assert newest_machine_type(listing) == "pc-q35-10.0"
    assert newest_machine_type("nothing") == ""
