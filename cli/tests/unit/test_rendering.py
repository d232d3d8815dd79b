"""Tables of objects: which columns, in which order, and how objects elsewhere are called."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_cli.exits import CommandError
from quantix_cli.nouns import NOUNS, World
from quantix_cli.rendering import (
    View,
    more_shared,
    nothing,
    object_stream,
    object_text,
    refuse_unknown_columns,
    table_lines,
)
from quantix_cli.terminal import Terminal

SEEN = World(datetime(2026, 11, 24, tzinfo=UTC), {})
PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)


def image(name: str, namespace: str = "default", size: str = "1Gi") -> dict[str, Any]:
    return {
        "kind": "Image",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-11-23T23:00:00Z"},
        "status": {
            "virtualSize": size,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Verified"}],
        },
    }


def lines(*images: dict[str, Any], **view: Any) -> list[list[str]]:
    wanted = View(PIPE, **{"home": "default", **view})
    return [line.split() for line in table_lines(images, NOUNS["image"], SEEN, wanted)]


def test_a_shared_object_is_called_as_it_can_be_typed() -> None:
    assert lines(image("tiny", "quantix-shared"))[1][0] == "shared/tiny"
    assert lines(image("tiny", "quantix-shared"), home="quantix-shared")[1][0] == "tiny"


def test_the_namespace_is_shown_where_there_may_be_several_or_when_asked_for() -> None:
    assert lines(image("a"), home=None)[1][:2] == ["default", "a"]
    assert lines(image("a"), columns=("NAME", "NAMESPACE")) == [["NAME", "NAMESPACE"], ["a", "default"]]


def test_sizes_are_sorted_by_amount() -> None:
    sizes = ("9Gi", "512Mi", "10Gi", "2Ti")
    shown = lines(*(image(size.lower(), size=size) for size in sizes), sort="SIZE", columns=("NAME",))
    assert [line[0] for line in shown[1:]] == ["512mi", "9gi", "10gi", "2ti"]


@pytest.mark.parametrize(
    ("addresses", "shown"),
    [
        ({"api": "192.0.2.2:9443", "tunnel": "10.0.0.2"}, "192.0.2.2"),
        ({"api": "[fd00::2]:9443", "tunnel": "10.0.0.2"}, "fd00::2"),
        ({"api": "127.0.0.1:9443", "tunnel": "192.0.2.2"}, "192.0.2.2"),
        ({"api": "127.0.0.1:9443"}, "127.0.0.1"),
    ],
)
def test_a_host_is_shown_with_the_address_at_which_others_reach_it(
    addresses: dict[str, str], shown: str
) -> None:
    host = {"kind": "Host", "metadata": {"name": "box"}, "status": {"addresses": addresses}}
    view = View(PIPE, home="default", columns=("ADDRESS",))
    assert table_lines([host], NOUNS["host"], SEEN, view) == ["ADDRESS", shown]


def test_wide_shows_exact_times() -> None:
    assert "60m" in lines(image("a"))[1]
    assert "2026-11-23T23:00:00Z" in lines(image("a"), wide=True)[1]


def test_wide_has_further_columns_which_can_be_asked_for_by_name() -> None:
    assert "LOGIN" not in lines(image("a"))[0]
    assert lines(image("a"), wide=True)[0][-4:] == ["LOGIN", "SOURCE", "AGE", "REASON"]
    assert lines(image("a"), columns=("NAME", "LOGIN")) == [["NAME", "LOGIN"], ["a", "-"]]


def test_a_wide_list_of_pools_says_how_much_each_has_promised_and_can_promise() -> None:
    pool = {
        "kind": "StoragePool",
        "metadata": {"name": "local"},
        "spec": {"overcommitPercent": 150},
        "status": {"capacity": "100Gi", "allocated": "40Gi"},
    }
    view = View(PIPE, "default", ("PROMISED", "PROMISABLE"), "")
    known, unknown = table_lines([pool, pool | {"status": {}}], NOUNS["pool"], SEEN, view)[1:]
    assert (known.split(), unknown.split()) == (["40", "GiB", "150", "GiB"], ["-", "-"])


def test_a_column_that_is_not_there_is_refused_and_the_others_are_named() -> None:
    refuse_unknown_columns(NOUNS["image"], ["SIZE", "NAMESPACE"])
    with pytest.raises(CommandError, match="There is no column NAMESPACE"):
        refuse_unknown_columns(NOUNS["host"], ["NAMESPACE"])


def vm(name: str, cores: int, memory: str, *pending: dict[str, str]) -> dict[str, Any]:
    return {
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": "default"},
        "status": {
            "resolved": {"cores": cores, "memory": memory},
            "runtime": {"pendingChanges": list(pending)},
        },
    }


def vm_cells(*vms: dict[str, Any], sort: str = "") -> list[list[str]]:
    view = View(PIPE, "default", ("NAME", "CPU", "MEMORY"), sort)
    shown = table_lines(vms, NOUNS["vm"], SEEN, view)
    return [re.split(r" {2,}", line) for line in shown[1:]]


def test_a_vm_is_listed_with_what_it_runs_on_and_what_the_next_start_makes_of_it() -> None:
    cores = {"path": "spec.cpu.cores", "running": "2", "wanted": "4"}
    memory = {"path": "spec.memory.size", "running": "2Gi", "wanted": "8Gi"}
    other = {"path": "spec.cpu.weight", "running": "100", "wanted": "200"}
    assert vm_cells(vm("a", 4, "8Gi", cores, memory, other)) == [["a", "2 → 4", "2 GiB → 8 GiB"]]
    assert vm_cells(vm("a", 4, "8Gi", other)) == [["a", "4", "8 GiB"]]


def test_vms_are_sorted_by_what_they_run_on() -> None:
    grows = vm("grows", 16, "2Gi", {"path": "spec.cpu.cores", "running": "2", "wanted": "16"})
    shown = vm_cells(vm("ten", 10, "2Gi"), grows, vm("three", 3, "2Gi"), sort="CPU")
    assert [line[0] for line in shown] == ["grows", "three", "ten"]


def test_what_a_host_calls_a_size_and_is_none_is_shown_as_it_is() -> None:
    odd = {"path": "spec.memory.size", "running": "much", "wanted": "8Gi"}
    assert vm_cells(vm("a", 4, "8Gi", odd)) == [["a", "4", "much → 8 GiB"]]


def test_a_volume_that_is_to_grow_is_listed_with_both_sizes() -> None:
    def cell(size: str, capacity: str) -> str:
        volume = {
            "kind": "Volume",
            "metadata": {"name": "data", "namespace": "default"},
            "spec": {"size": size},
            "status": {"capacity": capacity},
        }
        view = View(PIPE, "default", ("SIZE",), "")
        return table_lines([volume], NOUNS["volume"], SEEN, view)[1].strip()

    assert [cell("2Gi", "1Gi"), cell("1Gi", "1Gi"), cell("1Mi", "40Mi")] == [
        "1 GiB → 2 GiB",
        "1 GiB",
        "40 MiB",
    ]


def test_an_empty_list_says_so_and_a_list_of_a_namespace_says_where_more_are() -> None:
    assert nothing(NOUNS["vm"]) == "0 VMs"
    assert more_shared(NOUNS["image"], 2) == "2 more in quantix-shared: qx image list 'shared/*'"


def test_objects_are_a_list_or_one_after_the_other() -> None:
    noun = NOUNS["image"]
    assert object_text([image("a"), image("b")], noun, "name").split() == [
        "images.quantix.io/a", "images.quantix.io/b",
    ]  # fmt: skip
    assert object_text([], noun, "json").startswith("{")
    assert "\n" not in object_stream(image("a"), noun, "json")
    assert object_stream(image("a"), noun, "yaml").startswith("---\nkind: Image\n")
