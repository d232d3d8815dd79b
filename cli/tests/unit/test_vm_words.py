"""From the words of `qx vm create` to manifests."""

from __future__ import annotations

import io
from typing import Any

import pytest

from quantix_cli.amounts import is_read_as_binary, parse_changes, parse_details, parse_pairs, parse_size
from quantix_cli.exits import CommandError, Exit
from quantix_cli.questions import choose
from quantix_cli.terminal import Terminal
from quantix_cli.vm.defaults import offered
from quantix_cli.vm.wish import Choice, Wish, manifest, nic_of, told

PLAIN = Terminal(is_tty=False, colour=False, unicode=True, width=None)


def spec_of(wish: Wish, choice: Choice = Choice("small", "shared/default")) -> dict[str, Any]:  # noqa: B008
    spec: dict[str, Any] = manifest("web-1", "default", wish, choice)["spec"]
    return spec


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("2GiB", "2Gi"),
        ("2Gi", "2Gi"),
        ("2G", "2Gi"),
        ("512m", "512Mi"),
        ("1.5GiB", "1536Mi"),
        ("2 TiB", "2Ti"),
    ],
)
def test_a_size_is_binary_whatever_its_unit_is_called(written: str, size: str) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "4", "GiB", "-1GiB", "0GiB", "1e9", "2XiB", "0.0001KiB"])
def test_what_is_no_size_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(written)


def test_of_a_number_without_a_unit_is_said_with_which_it_would_be_a_size() -> None:
    with pytest.raises(ValueError, match=r"^512 is no size without a unit: 512GiB, 512MiB or another$"):
        parse_size("512")


def test_only_a_unit_that_means_another_number_elsewhere_is_worth_a_word() -> None:
    assert [is_read_as_binary(written) for written in ("2G", "2GB", "2Gi", "2GiB")] == [
        True,
        True,
        False,
        False,
    ]


def test_labels_come_as_pairs_and_leave_by_a_minus() -> None:
    assert parse_changes(["app=web", "old-"], "--label") == {"app": "web", "old": None}
    with pytest.raises(CommandError, match="is not KEY=VALUE"):
        parse_pairs(["app"], "--label")


def test_an_unknown_detail_is_refused_with_those_that_exist() -> None:
    assert parse_details("20GiB,pool=fast", "--disk", ("pool",)) == ("20GiB", {"pool": "fast"})
    with pytest.raises(CommandError, match="poll=fast is no detail"):
        parse_details("20GiB,poll=fast", "--disk", ("pool",))


def test_an_image_alone_is_enough_for_a_vm() -> None:
    image = {"status": {"virtualSize": "3Gi"}}
    made = manifest("web-1", "shop", Wish(image="shared/tiny"), Choice("small", "shared/default", image))
    assert made == {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {"name": "web-1", "namespace": "shop"},
        "spec": {
            "instanceType": "small",
            "disks": [{"name": "root", "image": "shared/tiny", "size": "20Gi"}],
            "nics": [{"name": "eth0", "network": "shared/default"}],
        },
    }
    assert told(made) == "type small, disk root 20GiB of shared/tiny, network shared/default"


def test_one_cpu_is_told_as_one() -> None:
    spec = {"cpu": {"cores": 1}, "memory": {"size": "2Gi"}, "disks": []}
    assert told({"spec": spec}) == "1 CPU, 2GiB memory, no network"


def test_what_a_vm_may_grow_to_stands_beside_a_type_as_well_as_beside_its_own_size() -> None:
    beside = spec_of(Wish(image="x", max_cpu=4, max_memory="8Gi"), Choice("small"))
    ceilings = {"cpu": {"maxCores": 4}, "memory": {"maxSize": "8Gi"}}
    assert {key: beside[key] for key in ceilings} == ceilings
    assert beside["instanceType"] == "small"
    assert told({"spec": beside}).startswith("type small, up to 4 CPUs, up to 8GiB memory, disk root")
    own = spec_of(Wish(image="x", cpu=2, memory="2Gi", max_cpu=4))
    assert (own["cpu"], own["memory"]) == ({"cores": 2, "maxCores": 4}, {"size": "2Gi"})
    assert "instanceType" not in own


@pytest.mark.parametrize(
    ("virtual_size", "size"), [("30Gi", {"size": "30Gi"}), ("1Gi", {"size": "20Gi"}), (None, {})]
)
def test_the_root_disk_is_20_gib_or_the_images_size(virtual_size: str | None, size: dict[str, str]) -> None:
    image = {"status": {"virtualSize": virtual_size} if virtual_size else {}}
    [root] = spec_of(Wish(image="big"), Choice("small", "default", image))["disks"]
    assert root == {"name": "root", "image": "big", **size}


def test_what_was_said_wins_over_what_is_offered() -> None:
    spec = spec_of(
        Wish(
            image="debian",
            cpu=4,
            memory="8Gi",
            size="40Gi",
            pool="fast",
            disks=("100GiB,pool=slow", "5Gi,name=log"),
            networks=("db,address=10.0.0.5", "shared/lan"),
            groups=("db",),
            keys=("ssh-ed25519 A",),
            user_data_secret="boot/config",
            stopped=True,
            anti_affinity=("app=db",),
            host_selector=("zone=a",),
        )
    )
    assert spec == {
        "powerState": "Stopped",
        "cpu": {"cores": 4},
        "memory": {"size": "8Gi"},
        "disks": [
            {"name": "root", "image": "debian", "size": "40Gi", "pool": "fast"},
            {"name": "disk1", "size": "100Gi", "pool": "slow"},
            {"name": "log", "size": "5Gi"},
        ],
        "nics": [
            {"name": "eth0", "network": "db", "addresses": ["10.0.0.5"], "securityGroups": ["db"]},
            {"name": "eth1", "network": "shared/lan", "securityGroups": ["db"]},
        ],
        "cloudInit": {
            "sshAuthorizedKeys": ["ssh-ed25519 A"],
            "userDataSecretRef": {"name": "boot", "key": "config"},
        },
        "placement": {"hostSelector": {"zone": "a"}, "antiAffinity": [{"vmSelector": {"app": "db"}}]},
    }


def test_windows_gets_uefi_secure_boot_and_a_tpm_and_a_medium_stands_beside_an_empty_disk() -> None:
    spec = spec_of(Wish(iso="win-2025", os="Windows"))
    assert spec["firmware"] == {"type": "UEFI", "secureBoot": True, "tpm": True}
    assert spec["disks"] == [{"name": "root", "size": "20Gi"}]
    assert spec["cdroms"] == [{"name": "install", "image": "win-2025"}]


def test_no_network_means_no_nic() -> None:
    assert "nics" not in spec_of(Wish(image="tiny", networks=("none",)))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(image="x", cpu=2), "--memory is missing"),
        (Wish(image="x", memory="2Gi"), "--cpu is missing"),
        (Wish(image="x", instance_type="small", cpu=2), "--type says CPU and memory"),
        (Wish(image="x", user_data="a", user_data_secret="b"), "say the same thing"),
        (Wish(image="x", disks=("many",)), "many is no size"),
    ],
)
def test_words_that_contradict_each_other_are_wrong_usage(wish: Wish, said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        spec_of(wish)
    assert refused.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("wish", "way"),
    [
        (Wish(image="x", cpu=2), "--cpu 2 --memory 2GiB; or --type TYPE"),
        (Wish(image="x", memory="4Gi"), "--cpu 1 --memory 4GiB; or --type TYPE"),
    ],
)
def test_half_a_size_is_refused_with_the_way_out(wish: Wish, way: str) -> None:
    with pytest.raises(CommandError) as refused:
        spec_of(wish)
    assert refused.value.hint.startswith(way)


def network(name: str, namespace: str = "default", *, default: bool = False) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"default": default}}


@pytest.mark.parametrize(
    ("networks", "found"),
    [
        ([network("a"), network("b", default=True)], ["b"]),
        ([network("a", default=True), network("b", "quantix-shared", default=True)], ["a"]),
        ([network("a"), network("b", "quantix-shared", default=True)], ["shared/b"]),
        ([network("only", "quantix-shared")], ["shared/only"]),
        ([network("a"), network("b", "quantix-shared"), network("c", "other")], ["a", "shared/b"]),
        ([], []),
    ],
    ids=["the marked one", "its own first", "a marked shared one", "the only one", "unclear", "none"],
)
def test_the_network_that_a_new_vm_gets(networks: list[dict[str, Any]], found: list[str]) -> None:
    assert offered("network", networks, "default") == found


class Typing(io.StringIO):
    """A terminal at which somebody types this."""

    def isatty(self) -> bool:
        return True


def test_what_is_not_clear_is_asked_at_a_terminal_and_wrong_usage_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", Typing("b\n"))
    assert choose("Which network?", ["a", "b"], "--network", terminal=PLAIN) == "b"
    monkeypatch.setattr("sys.stdin", Typing("c\n"))
    with pytest.raises(CommandError, match="That is none of them"):
        choose("Which network?", ["a", "b"], "--network", terminal=PLAIN)
    monkeypatch.setattr("sys.stdin", io.StringIO("b\n"))
    with pytest.raises(CommandError, match="There are a, b") as refused:
        choose("Which network?", ["a", "b"], "--network", terminal=PLAIN)
    assert (refused.value.exit_code, refused.value.hint) == (Exit.USAGE, "--network a")


@pytest.mark.parametrize("written", ["00:50:56:AB:CD:EF", "00-50-56-AB-CD-EF", "00:50:56:ab:cd:ef"])
def test_a_mac_is_taken_as_other_platforms_write_it(written: str) -> None:
    assert nic_of(f"lan,mac={written}", "eth0")["mac"] == "00:50:56:ab:cd:ef"
