"""A second machine joins a cluster, is stopped and started, leaves, and joins anew."""

from __future__ import annotations

import json

import pytest

from quantix_lab.lab import MANAGEMENT, WIRE, Lab, join
from quantix_lab.machine import QX
from quantix_lab.machine_view import Manifest
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.waiting import eventually

pytestmark = pytest.mark.usefixtures("audited")


@pytest.fixture
def member(lab: Lab) -> SimulatedHost:
    return lab.hosts[1]


def host_of(lab: Lab, name: str) -> Manifest:
    found = lab.first.api.get(f"/apis/quantix.io/v1alpha1/hosts/{name}")
    assert found is not None, f"there is no Host {name}"
    return found


def is_ready(lab: Lab, name: str) -> bool:
    conditions = host_of(lab, name).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def tunnel_is_up(host: SimulatedHost) -> bool:
    """Whether the switch hears another host's through a tunnel (BFD, RFC 5880)."""
    database = f"--db=unix:{host.layout_inside.openvswitch_run}/db.sock"
    wanted = ("--columns=bfd_status", "--format=json", "find", "Interface", "type=geneve")
    answer = host.run("ovs-vsctl", database, *wanted).stdout
    return '["state","up"]' in json.dumps(json.loads(answer), separators=(",", ":"))


def test_all_are_hosts_of_one_cluster_by_their_own_addresses(lab: Lab) -> None:
    for number, host in enumerate(lab.hosts, 1):
        assert is_ready(lab, host.name)
        assert host_of(lab, host.name)["status"]["addresses"]["api"] == f"{MANAGEMENT}.{number}:9443"


def test_guests_of_all_reach_each_other_through_the_wire_for_tunnels(lab: Lab) -> None:
    for host in lab.hosts:
        eventually(f"{host.name} has a tunnel", lambda host=host: tunnel_is_up(host), 60)  # type: ignore[misc]
    routes = lab.hosts[1].run("ip", "route", "get", f"{WIRE}.1").stdout
    assert "qx-phy" in routes


def test_a_member_is_told_where_its_cluster_is_administered(member: SimulatedHost) -> None:
    refused = member.qx("vm", "list", check=False)
    assert refused.returncode == 7
    assert "host h2 of another one's cluster" in refused.stderr
    refused = member.qx("host", "add", "h9", "--print", check=False)
    assert "on the machine that has the control plane" in refused.stderr


def test_a_member_is_well_without_a_control_plane_of_its_own(member: SimulatedHost) -> None:
    report = json.loads(member.qx("doctor", "-o", "json", check=False).stdout)
    said = {finding["check"]: finding["verdict"] for finding in report["checks"]}
    assert said["control plane"] == said["processes"] == said["hostd"] == "Good", report


def test_a_member_goes_down_and_comes_up(lab: Lab, member: SimulatedHost) -> None:
    assert "Stopped in" in member.down()
    eventually("h2 is silent", lambda: not is_ready(lab, "h2"), 30)
    assert "This machine is host h2" in member.up()
    assert "nothing to change" in member.up()
    eventually("h2 is ready", lambda: is_ready(lab, "h2"), 30)


def test_a_host_that_runs_is_not_deleted_nor_let_in_again(lab: Lab) -> None:
    refused = lab.first.qx("host", "delete", "h2", "--yes", check=False)
    assert (refused.returncode, "make clean on h2" in refused.stderr) == (6, True)
    refused = lab.first.qx("host", "add", "h2", "--print", check=False)
    assert "There is a host h2 already" in refused.stderr


@pytest.mark.parametrize("word", ["", "hello", "qx1.AAAA"])
def test_what_is_no_word_changes_nothing(member: SimulatedHost, word: str) -> None:
    before = member.layout.place.read_text()
    refused = member.run(str(QX), "cluster", "join", stdin=word, check=False)
    assert refused.returncode == 1
    assert "qx host add once more" in refused.stderr
    assert member.layout.place.read_text() == before


def test_a_machine_leaves_with_all_that_it_was_given_and_joins_anew(lab: Lab, member: SimulatedHost) -> None:
    told = member.clean()
    assert "qx host delete h2" in told
    assert f"{WIRE}.2/24" in member.run("ip", "address", "show", "dev", "wire0").stdout
    left = [path for path in member.root.rglob("*") if not path.is_dir()]
    assert left == []
    eventually("h2 is silent", lambda: not is_ready(lab, "h2"), 30)
    lab.first.qx("host", "delete", "h2", "--yes")
    word = lab.word_for("h2")
    joined = join(member, word)
    assert "This machine is host h2" in joined
    lab.use_the_wire(member)
    eventually("h2 has a tunnel again", lambda: tunnel_is_up(member), 60)


def test_a_word_for_another_host_is_refused(lab: Lab, member: SimulatedHost) -> None:
    refused = member.run(str(QX), "cluster", "join", stdin=lab.word_for("h4"), check=False)
    assert "The word is for h4" in refused.stderr
