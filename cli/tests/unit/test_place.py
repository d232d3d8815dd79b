"""The place of a machine in its cluster: what is kept of it, and what runs there because of it."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_cli import cluster
from quantix_cli.exits import CommandError
from quantix_cli.place import Place, keep_place, read_place, southbound_at
from quantix_cli.settings import read_settings
from quantix_cli.supervision.service import Service, in_start_order
from quantix_cli.supervision.table import Installation, services
from quantix_cli.up.prepare.preparation import Preparation
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import judge_settings

OPEN = Place("10.0.0.11")
MEMBER = Place("10.0.0.12", "h2", "ssl:10.0.0.11:6642")
ALONE = Installation(
    layout=Layout(Path("/")),
    host_name="h1",
    python=Path("/opt/quantix/.venv/bin/python"),
    code="0123456789abcdef",
    controlplane=Path("/cache/quantix-controlplane"),
)


@pytest.fixture
def root() -> Iterator[Path]:
    """As short as a root has to be."""
    with tempfile.TemporaryDirectory(prefix="qx") as folder:
        yield Path(folder)


def by_name(installation: Installation) -> dict[str, Service]:
    return {service.name: service for service in services(installation)}


@pytest.mark.parametrize("place", [OPEN, MEMBER, Place("fd00::11")])
def test_a_place_that_is_kept_is_read_again(tmp_path: Path, place: Place) -> None:
    keep_place(tmp_path / "etc/machine.json", place)
    assert read_place(tmp_path / "etc/machine.json") == place
    assert (tmp_path / "etc/machine.json").stat().st_mode & 0o777 == 0o644


def test_a_machine_without_the_file_is_alone(tmp_path: Path) -> None:
    assert read_place(tmp_path / "machine.json") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"address": "h1"}', '{"address": "127.0.0.1"}', "\xff"]
)
def test_a_damaged_file_makes_no_member_a_machine_of_its_own(tmp_path: Path, text: str) -> None:
    (tmp_path / "machine.json").write_text(text, encoding="latin-1")
    with pytest.raises(PermanentError) as refused:
        read_place(tmp_path / "machine.json")
    assert refused.value.reason == "PlaceUnreadable"


def test_a_member_runs_what_makes_it_a_host_and_nothing_else() -> None:
    table = by_name(replace(ALONE, place=MEMBER, controlplane=None))
    assert set(table) == {"ovs-db", "ovs-vswitchd", "ovn-controller", "virtlogd", "libvirtd", "hostd"}
    hostd = table["hostd"].argv
    assert hostd[hostd.index("--ovn-sb") + 1] == "ssl:10.0.0.11:6642"
    assert hostd[hostd.index("--listen") + 1] == "10.0.0.12:9443"
    assert "--ovn-certificate" in hostd
    assert in_start_order(list(table.values()))


def test_an_open_machine_is_reached_by_others_and_one_that_is_alone_is_not() -> None:
    alone, opened = by_name(ALONE), by_name(replace(ALONE, place=OPEN))
    assert set(alone) == set(opened)
    assert "127.0.0.1" in alone["controlplane"].argv
    assert "127.0.0.1:9443" in alone["hostd"].argv
    control = opened["controlplane"].argv
    assert control[control.index("--address") + 1] == "0.0.0.0"
    assert control[control.index("--san") + 1] == "10.0.0.11"
    assert "10.0.0.11:9443" in opened["hostd"].argv
    changed = {name for name in alone if alone[name].argv != opened[name].argv}
    assert changed == {"controlplane", "hostd"}


def test_addresses_of_version_6_stand_in_brackets() -> None:
    assert southbound_at("fd00::11") == "ssl:[fd00::11]:6642"
    opened = by_name(replace(ALONE, place=Place("fd00::11")))
    assert "[fd00::11]:9443" in opened["hostd"].argv
    assert "::" in opened["controlplane"].argv


def test_a_member_keeps_the_name_with_which_it_joined(root: Path) -> None:
    keep_place(Layout(root).place, MEMBER)
    given = read_settings({"QUANTIX_ROOT": str(root), "QUANTIX_HOST_NAME": "other"})
    assert judge_settings(given).host_name == "h2"


def test_a_member_prepares_neither_a_control_plane_nor_the_image_of_the_example(root: Path) -> None:
    settings = judge_settings(read_settings({"QUANTIX_ROOT": str(root)}))
    log = UpLog(root / "up.log")
    steps = Preparation(settings, log, for_member=True).steps()
    log.close()
    assert [step.name for step in steps] == ["check the machine", "check KVM", "install packages"]


def test_on_a_member_qx_says_where_the_cluster_is_administered(root: Path) -> None:
    keep_place(Layout(root).place, MEMBER)
    settings = read_settings({"QUANTIX_ROOT": str(root), "HOME": str(root)})
    with pytest.raises(CommandError, match="host h2 of another one's cluster"):
        cluster.choose(None, None, settings)
