"""The sentence for a VM that no host takes."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.facts import Fact
from quantix_api.message_table_phrases import LACKS
from quantix_api.quantities import counted
from quantix_operator.scheduling.model import GIB, Guest, HostView, Lack, Placed, Rule, World
from quantix_operator.scheduling.plan import place
from quantix_operator.scheduling.verdict import scheduled_false, unfit_hosts


def refused(guest: Guest, *hosts: HostView, placed: tuple[Placed, ...] = ()) -> Fact:
    (decision,) = place(World(hosts, placed), [guest])
    assert decision.host is None
    return scheduled_false(decision)


def test_memory_that_nobody_has(host: Any, guest: Any) -> None:
    said = refused(
        guest("db-1", memory_bytes=100 * GIB),
        host("h1", memory_bytes=41 * GIB),
        host("h2", memory_bytes=30 * GIB),
        host("h3", not_ready="Failed"),
    )
    assert (said.status, said.reason) == ("False", "NotEnoughMemory")
    assert said.message.startswith("No host has 100 GiB free: h1 41 GiB, h2 30 GiB; h3 is Failed. Try: ")


def test_what_is_free_has_a_unit_of_its_own_whatever_is_wanted(host: Any, guest: Any) -> None:
    said = refused(guest("db-1", memory_bytes=1024 * GIB), host("h1", memory_bytes=41 * GIB))
    assert said.message.startswith("No host has 1 TiB free: h1 41 GiB. Try: ")


def test_at_most_three_hosts_are_named(host: Any, guest: Any) -> None:
    hosts = [host(f"h{number}", memory_bytes=GIB) for number in range(1, 6)]
    assert "h1 1 GiB, h2 1 GiB, h3 1 GiB and 2 more" in refused(guest("g"), *hosts).message


def test_cpus_that_nobody_has(host: Any, guest: Any) -> None:
    said = refused(guest("g", vcpus=64), host("h1", cpu_millis=2000, cpu_percent=100))
    assert (said.reason, said.message.split(" Try")[0]) == (
        "NotEnoughCPU",
        "No host has 64 CPUs free: h1 2 CPUs.",
    )


def test_how_often_a_cpu_counts_is_said_and_the_figures_are_what_a_vm_can_have(host: Any, guest: Any) -> None:
    twelve = guest("g", vcpus=12)
    said = refused(twelve, host("h1", cpu_millis=2000))
    assert said.message.startswith(
        "No host has 12 CPUs free, where each real one counts as 4: h1 8 CPUs. Try: "
    )
    assert said.message.endswith("or raise overcommit.cpuPercent in the Host's spec.")
    said = refused(twelve, host("h1", cpu_millis=2000), host("h2", cpu_millis=3500, cpu_percent=150))
    assert "counts as 1.5 to 4: h1 8 CPUs, h2 5 CPUs." in said.message


@pytest.mark.parametrize(
    ("wants", "free"), [({"own_cpus": 2}, 1), ({"reservation_millis": 3000}, 2)], ids=["own", "reserved"]
)
def test_real_cpus_count_once(host: Any, guest: Any, wants: dict[str, int], free: int) -> None:
    said = refused(guest("g", **wants), host("h1", cpu_millis=2000, own_cpus=1))
    assert said.message.startswith(f"No host has 2 CPUs free: h1 {counted(free, 'CPU')}. Try: ")


def test_hosts_that_lack_cpus_and_memory_are_said_to_lack_both(host: Any, guest: Any) -> None:
    big = guest("g", vcpus=64, memory_bytes=100 * GIB)
    said = refused(big, host("h1", cpu_millis=2000, memory_bytes=GIB))
    assert (said.reason, said.message.split(" Try")[0]) == (
        "NoHostFits",
        "No host fits: 1 lacks CPU and memory.",
    )


def test_one_cpu_is_one(host: Any, guest: Any) -> None:
    said = refused(guest("g", vcpus=1), host("h1", cpu_millis=0, cpu_percent=100))
    assert said.message.startswith("No host has 1 CPU free: h1 0 CPUs.")


def test_devices_that_nobody_has_and_why(host: Any, guest: Any) -> None:
    gpu = guest("g", device_classes=("gpu",))
    off = host("h3", device_problems={"gpu": "The IOMMU is off: 0000:3b:00.0 has no group"})
    one = host("h2", devices={"gpu": 1})
    other = Placed(guest("other", device_classes=("gpu",)), "h2")
    said = refused(gpu, host("h1"), one, off, placed=(other,))
    assert (said.reason, said.message.split(" Try")[0]) == (
        "DeviceUnavailable",
        "No host has a device of class gpu for it: h1: none is offered, h2: too few are free, "
        "h3: The IOMMU is off: 0000:3b:00.0 has no group.",
    )


def test_a_host_with_a_free_device_takes_the_guest(host: Any, guest: Any) -> None:
    hosts = (host("h1"), host("h2", devices={"gpu": 2}))
    other = Placed(guest("other", device_classes=("gpu",)), "h2")
    (decision,) = place(World(hosts, (other,)), [guest("g", device_classes=("gpu",))])
    assert decision.host == "h2"


def test_a_group_that_is_on_every_host(host: Any, guest: Any) -> None:
    apart = {"labels": {"app": "web"}, "anti_affinity": (Rule({"app": "web"}),)}
    said = refused(guest("new", **apart), host("h1"), placed=(Placed(guest("old", **apart), "h1"),))
    assert said.reason == "AntiAffinity"
    assert "app=web" in said.message


DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "lack different things": ({"pools": ("ceph",)}, "No host fits: 2 lack pool ceph, 1 is Unreachable."),
    "lack a label": (
        {"host_selector": {"zone": "b"}},
        "No host fits: 2 lack label zone=b, 1 is Unreachable.",
    ),
}


@pytest.mark.parametrize("case", DIFFERENT, ids=str)
def test_hosts_that(case: str, host: Any, guest: Any) -> None:
    asks, sentence = DIFFERENT[case]
    said = refused(guest("g", **asks), host("h1"), host("h2"), host("h3", not_ready="Unreachable"))
    assert (said.reason, said.message.split(" Try")[0]) == ("NoHostFits", sentence)


def test_hosts_that_lack_different_things_are_counted(host: Any, guest: Any) -> None:
    said = refused(
        guest("g", pools=("ceph",)),
        host("h1"),
        host("h2", pools=frozenset({"ceph"}), memory_bytes=GIB),
        host("h3", pools=frozenset({"ceph"}), memory_bytes=GIB),
    )
    assert said.message.startswith("No host fits: 2 lack memory, 1 lacks pool ceph.")


def test_no_host_at_all(guest: Any) -> None:
    assert refused(guest("g")).message.startswith("There is no host yet.")


def groups(guest: Guest, *hosts: HostView) -> list[tuple[str, int, tuple[str, ...]]]:
    (decision,) = place(World(hosts), [guest])
    return [(group.why, group.count, group.hosts) for group in unfit_hosts(decision)]


def test_every_host_is_listed_once_under_what_it_lacks_first(host: Any, guest: Any) -> None:
    big = guest("db-1", memory_bytes=100 * GIB, pools=("ceph",))
    assert groups(
        big,
        host("h4", not_ready="Failed"),
        host("h2", memory_bytes=30 * GIB, pools=frozenset({"ceph"})),
        host("h1", memory_bytes=41 * GIB, pools=frozenset({"ceph"})),
        host("h3", memory_bytes=GIB),
    ) == [("lack memory", 2, ("h1", "h2")), ("is Failed", 1, ("h4",)), ("lacks pool ceph", 1, ("h3",))]


def test_hosts_that_take_nothing_now_are_told_from_those_that_lack_something(host: Any, guest: Any) -> None:
    (decision,) = place(
        World((host("h1", memory_bytes=GIB), host("h2", not_ready="Failed"), host("h3", closed="Cordoned"))),
        [guest("db-1", memory_bytes=100 * GIB)],
    )
    assert {group.hosts: group.away for group in unfit_hosts(decision)} == {
        ("h1",): False,
        ("h2",): True,
        ("h3",): True,
    }


def test_whatever_a_host_lacks_has_words() -> None:
    assert set(LACKS) == set(Lack)


def test_of_a_thousand_hosts_the_number_and_the_first_are_said(host: Any, guest: Any) -> None:
    hosts = [host(f"h{number:04d}", memory_bytes=GIB) for number in range(1000)]
    ((why, count, named),) = groups(guest("db-1", memory_bytes=100 * GIB), *hosts)
    assert (why, count, len(named), named[0]) == ("lack memory", 1000, 64, "h0000")


def test_a_host_that_has_less_free_is_no_news_while_it_is_too_little(host: Any, guest: Any) -> None:
    big = guest("db-1", memory_bytes=100 * GIB)
    assert groups(big, host("h1", memory_bytes=41 * GIB)) == groups(big, host("h1", memory_bytes=2 * GIB))


def test_more_than_a_guest_can_have_addresses_for(host: Any, guest: Any) -> None:
    big = guest("db-1", most_bytes=2048 * GIB, cpu_model="Auto")
    said = refused(
        big, host("h1", memory_bytes=4096 * GIB), host("h2", address_bits=39), host("h3", not_ready="Failed")
    )
    assert (said.status, said.reason) == ("False", "NotEnoughMemory")
    assert said.message == (
        "It may grow to 2 TiB of memory, more than a guest on any host can have: h1 960 GiB, "
        "h2 448 GiB; h3 is Failed. Try: qx vm set db-1 --max-memory SIZE, with less."
    )
    (decision,) = place(World((host("h1"),)), [big])
    assert [group.why for group in unfit_hosts(decision)] == ["can give no guest 2 TiB of memory"]


def test_a_guest_with_the_cpu_of_its_host_has_its_addresses(host: Any, guest: Any) -> None:
    big = guest("db-1", most_bytes=2048 * GIB, cpu_model="HostPassthrough")
    (decision,) = place(World((host("h1", address_bits=46), host("h2"))), [big])
    assert decision.host == "h1"
