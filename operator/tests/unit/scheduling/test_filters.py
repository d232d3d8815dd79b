"""What keeps a guest off a host, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.compute import memory_request_bytes
from quantix_operator.scheduling.filters import refusals
from quantix_operator.scheduling.model import (
    GIB,
    Lack,
    Node,
    Pin,
    Placed,
    Rule,
    Taint,
    Toleration,
    World,
    cpu_request_millis,
)
from quantix_operator.scheduling.occupancy import Occupancy

GPU_ONLY = Taint("gpu-only", "yes", "NoSchedule")
WEB = {"app": "web"}
MIB = 1 << 20

ONE_HOST_CASES: dict[str, tuple[dict[str, Any], dict[str, Any], set[Lack]]] = {
    "a host with room takes a plain guest": ({}, {}, set()),
    "a host that is not ready takes nothing": ({"not_ready": "Unreachable"}, {}, {Lack.READY}),
    "a cordoned host takes nothing new": ({"closed": "Cordoned"}, {}, {Lack.OPEN}),
    "a guest with CPUs to itself needs free ones": ({"own_cpus": 1}, {"own_cpus": 2}, {Lack.CPU}),
    "as many free CPUs as it wants let it in": ({"own_cpus": 2}, {"own_cpus": 2}, set()),
    "huge pages of another size are none": (
        {"huge_bytes": {"2Mi": GIB}},
        {"page_size": "1Gi", "huge_bytes": {"1Gi": GIB}},
        {Lack.HUGE_PAGES},
    ),
    "huge pages of its size let it in": (
        {"huge_bytes": {"2Mi": GIB}},
        {"page_size": "2Mi", "huge_bytes": {"2Mi": GIB}},
        set(),
    ),
    "a selector must match the host's labels": ({}, {"host_selector": {"zone": "a"}}, {Lack.SELECTOR}),
    "a matching selector lets it in": ({"labels": {"zone": "a"}}, {"host_selector": {"zone": "a"}}, set()),
    "the implied label names the host": ({}, {"host_selector": {"quantix.io/host": "h1"}}, set()),
    "a taint keeps out who does not tolerate it": ({"taints": (GPU_ONLY,)}, {}, {Lack.TAINT}),
    "a toleration without value covers any value": (
        {"taints": (GPU_ONLY,)},
        {"tolerations": (Toleration("gpu-only"),)},
        set(),
    ),
    "a toleration of another value covers nothing": (
        {"taints": (GPU_ONLY,)},
        {"tolerations": (Toleration("gpu-only", "no"),)},
        {Lack.TAINT},
    ),
    "a discouraging taint refuses nobody": (
        {"taints": (Taint("old", "", "PreferNoSchedule"),)},
        {},
        set(),
    ),
    "a host that is being emptied takes nothing": (
        {"taints": (Taint("fire", "", "Evacuate"),)},
        {},
        {Lack.TAINT},
    ),
    "a pool that the host does not reach": ({}, {"pools": ("ceph",)}, {Lack.POOL}),
    "a volume that lives on another host": ({}, {"pins": (Pin("web-1-root", "h2"),)}, {Lack.VOLUME}),
    "a volume that lives here": ({}, {"pins": (Pin("web-1-root", "h1"),)}, set()),
    "a wire that the host is not on": ({}, {"networks": ("physnet1",)}, {Lack.NETWORK}),
    "every host has the local way out": ({}, {"networks": ("qx-local",)}, set()),
    "a device class that the host lacks": ({}, {"device_classes": ("gpu",)}, {Lack.DEVICE}),
    "more devices of a class than there are": (
        {"devices": {"gpu": 1}},
        {"device_classes": ("gpu", "gpu")},
        {Lack.DEVICE},
    ),
    "memory that no NUMA node has beside so many CPUs": (
        {"own_cpus": 8, "nodes": (Node(4, 8 * GIB), Node(4, 2 * GIB))},
        {"own_cpus": 4, "bound_bytes": 10 * GIB},
        {Lack.NUMA},
    ),
    "memory that one NUMA node has beside them": (
        {"own_cpus": 8, "nodes": (Node(4, 2 * GIB), Node(4, 8 * GIB))},
        {"own_cpus": 4, "bound_bytes": 8 * GIB},
        set(),
    ),
    "memory that two NUMA nodes have beside them": (
        {"own_cpus": 8, "nodes": (Node(4, 4 * GIB), Node(4, 4 * GIB))},
        {"own_cpus": 6, "bound_bytes": 8 * GIB},
        set(),
    ),
    "huge pages that are in another NUMA node": (
        {"own_cpus": 6, "nodes": (Node(1, 0, {"2Mi": GIB}), Node(5, GIB)), "huge_bytes": {"2Mi": GIB}},
        {"own_cpus": 2, "bound_bytes": GIB, "page_size": "2Mi", "huge_bytes": {"2Mi": GIB}},
        {Lack.NUMA},
    ),
    "memory that is bound to no node": (
        {"own_cpus": 4, "nodes": (Node(4, GIB),)},
        {"own_cpus": 4},
        set(),
    ),
    "a host that tells no NUMA nodes": ({"own_cpus": 4}, {"own_cpus": 4, "bound_bytes": GIB}, set()),
    "memory that is not free": ({"memory_bytes": GIB}, {}, {Lack.MEMORY}),
    "memory that is just free": ({"memory_bytes": 2 * GIB}, {}, set()),
    "CPUs beyond the overcommit": ({"cpu_millis": 499}, {"vcpus": 2}, {Lack.CPU}),
    "a reservation is not overcommitted": ({"cpu_millis": 999}, {"reservation_millis": 1000}, {Lack.CPU}),
    "all that a host lacks is named": (
        {"closed": "Maintenance", "memory_bytes": GIB},
        {"pools": ("ceph",)},
        {Lack.OPEN, Lack.POOL, Lack.MEMORY},
    ),
}


@pytest.mark.parametrize("case", ONE_HOST_CASES, ids=str)
def test_a_host_refuses(case: str, host: Any, guest: Any) -> None:
    host_different, guest_different, lacks = ONE_HOST_CASES[case]
    h1 = host("h1", **host_different)

    found = refusals(guest("new", **guest_different), h1, Occupancy(World((h1,))))

    assert {refusal.lack for refusal in found} == lacks


NEIGHBOUR_CASES: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    # the neighbour is on h1; h1 and h2 are in zone a, h3 in zone b: which hosts refuse the new guest?
    "strangers do not mind each other": ({}, {}, set()),
    "anti-affinity keeps off the neighbour's host": (
        {"labels": WEB},
        {"anti_affinity": (Rule(WEB),)},
        {"h1"},
    ),
    "anti-affinity by zone keeps off the whole zone": (
        {"labels": WEB},
        {"anti_affinity": (Rule(WEB, "zone"),)},
        {"h1", "h2"},
    ),
    "the neighbour's anti-affinity counts as well": (
        {"anti_affinity": (Rule(WEB),)},
        {"labels": WEB},
        {"h1"},
    ),
    "a preference refuses nobody": (
        {"labels": WEB},
        {"anti_affinity": (Rule(WEB, required=False),)},
        set(),
    ),
    "affinity wants the neighbour's host": ({"labels": WEB}, {"affinity": (Rule(WEB),)}, {"h2", "h3"}),
    "affinity by zone wants its zone": ({"labels": WEB}, {"affinity": (Rule(WEB, "zone"),)}, {"h3"}),
    "affinity to nobody waits for somebody": ({}, {"affinity": (Rule(WEB),)}, {"h1", "h2", "h3"}),
    "the first of a group that wants to be together may start": (
        {},
        {"labels": WEB, "affinity": (Rule(WEB),)},
        set(),
    ),
    "another namespace is another group": (
        {"labels": WEB, "namespace": "other"},
        {"anti_affinity": (Rule(WEB),)},
        set(),
    ),
    "a host without the label is in no domain": (
        {"labels": WEB},
        {"affinity": (Rule(WEB, "rack"),)},
        {"h1", "h2", "h3"},
    ),
}


@pytest.mark.parametrize("case", NEIGHBOUR_CASES, ids=str)
def test_neighbours_keep_a_guest_off(case: str, host: Any, guest: Any) -> None:
    neighbour, new, refusing = NEIGHBOUR_CASES[case]
    zones = {"h1": "a", "h2": "a", "h3": "b"}
    hosts = tuple(host(name, labels={"zone": zone}) for name, zone in zones.items())
    occupancy = Occupancy(World(hosts, (Placed(guest("old", **neighbour), "h1"),)))

    found = {item.name for item in hosts if refusals(guest("new", **new), item, occupancy)}

    assert found == refusing


def test_a_guest_asks_for_more_than_its_own_memory() -> None:
    assert memory_request_bytes(2 * GIB) == 2 * GIB + 68 * MIB
    assert memory_request_bytes(512 * MIB) == 512 * MIB + 66 * MIB


def test_a_share_of_a_cpu_is_rounded_up(host: Any, guest: Any) -> None:
    assert cpu_request_millis(guest("g", vcpus=1), host("h1", cpu_percent=300)) == 334


@pytest.mark.parametrize(
    ("room", "asked"),
    [
        ({"own_cpus": 3}, {"own_cpus": 2}),
        ({"huge_bytes": {"2Mi": 3 * GIB}}, {"page_size": "2Mi", "huge_bytes": {"2Mi": 2 * GIB}}),
    ],
)
def test_what_one_guest_was_promised_no_second_gets(
    room: dict[str, Any], asked: dict[str, Any], host: Any, guest: Any
) -> None:
    only = host("h1", **room)
    assert not refusals(guest("a", **asked), only, Occupancy(World((only,))))
    placed = Occupancy(World((only,), (Placed(guest("a", **asked), "h1"),)))
    assert refusals(guest("b", **asked), only, placed)
