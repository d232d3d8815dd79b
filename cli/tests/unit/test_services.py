"""The table of services, and what supervisors are told about it."""

import configparser
import shlex
import subprocess
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_cli.supervision import ends
from quantix_cli.supervision.choose import supervisor_of
from quantix_cli.supervision.service import Running, Service, in_start_order
from quantix_cli.supervision.supervisord import Supervisord, render_main, render_program
from quantix_cli.supervision.systemd import Systemd, render_guests_unit, render_unit, running_of
from quantix_cli.supervision.table import Installation, services

GOLDEN = Path(__file__).parent / "golden"
MACHINE = Installation(
    layout=Layout(Path("/")),
    host_name="box",
    python=Path("/opt/quantix/.venv/bin/python"),
    code="0123456789abcdef",
    controlplane=Path("/var/cache/quantix/controlplane/abc/quantix-controlplane"),
)


def by_name(installation: Installation) -> dict[str, Service]:
    return {service.name: service for service in services(installation)}


def test_units_are_as_reviewed() -> None:
    units = "".join(f"### {s.name}\n{render_unit(s)}\n" for s in services(MACHINE))
    assert units + render_guests_unit("/opt/quantix/.venv/bin/qx") == (GOLDEN / "units.txt").read_text()


def test_the_configuration_of_supervisord_is_as_reviewed() -> None:
    layout = Layout(Path("/tmp/q"))
    programs = [render_program(s, layout) for s in services(replace(MACHINE, layout=layout))]
    assert "\n".join([render_main(layout), *programs]) == (GOLDEN / "supervisord.txt").read_text()


def test_supervisord_reads_back_what_was_rendered() -> None:
    service = Service("odd", "", ("/bin/echo", "50 %", "it's"), {"KEY": "100%"})
    parser = configparser.RawConfigParser()
    parser.read_string(render_program(service, Layout(Path("/tmp/q"))))
    assert parser["program:odd"]["command"] == "/bin/echo '50 %%' 'it'\"'\"'s'"
    assert 'KEY="100%%"' in parser["program:odd"]["environment"]


def test_a_stop_of_libvirt_or_hostd_leaves_guests_alone() -> None:
    for name in ("libvirtd", "virtlogd", "hostd"):
        assert "KillMode=process" in render_unit(by_name(MACHINE)[name])


def test_with_a_cluster_of_the_users_own_no_control_plane_runs() -> None:
    table = by_name(replace(MACHINE, controlplane=None, operator_kubeconfig=Path("/etc/k")))
    assert "controlplane" not in table
    assert table["operator"].argv[table["operator"].argv.index("--kubeconfig") + 1] == "/etc/k"


def test_an_open_vswitch_of_the_machine_is_used_and_none_started() -> None:
    table = by_name(replace(MACHINE, machine_openvswitch=Path("/run/openvswitch")))
    assert "ovs-vswitchd" not in table
    assert "--openvswitch-run" not in table["libvirtd"].argv
    assert "unix:/run/openvswitch/db.sock" in table["hostd"].argv


def test_new_code_restarts_what_runs_it_and_nothing_else() -> None:
    old, new = by_name(MACHINE), by_name(replace(MACHINE, code="fedcba9876543210"))
    assert {name for name in old if render_unit(old[name]) != render_unit(new[name])} == {"operator", "hostd"}


def test_services_start_after_those_they_need() -> None:
    names = [service.name for service in in_start_order(services(MACHINE))]
    for service in services(MACHINE):
        assert all(names.index(needed) < names.index(service.name) for needed in service.after)


def test_what_guests_depend_on_is_the_last_that_the_kernel_ends() -> None:
    protected = {service.name for service in services(MACHINE) if service.memory_protected}
    data_plane = {"ovs-db", "ovs-vswitchd", "ovn-controller", "virtlogd", "libvirtd", "hostd"}
    assert protected == {*data_plane, "controlplane", "ovn-nb", "ovn-sb"}
    assert "OOMScoreAdjust=-900" in render_unit(by_name(MACHINE)["libvirtd"])
    # MemoryHigh on the group in which guests run would slow all of them down
    assert {s.name for s in services(MACHINE) if s.memory_high_bytes} == {"hostd", "operator"}


def test_supervisords_services_start_whether_they_may_be_protected_or_not() -> None:
    shown = ("/bin/sh", "-c", 'cat /proc/self/oom_score_adj; echo "$0 $1"', "it's", "50 %")
    program = render_program(Service("odd", "", shown, memory_protected=True), MACHINE.layout)
    command = next(line for line in program.splitlines() if line.startswith("command = "))
    argv = shlex.split(command.removeprefix("command = ").replace("%%", "%"))
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    score, words = done.stdout.splitlines()
    assert (words, done.stderr) == ("it's 50 %", "")
    assert score in ("-900", Path("/proc/self/oom_score_adj").read_text().strip())


def test_supervisords_log_tells_how_often_a_service_ended_unasked_of_late() -> None:
    log = """\
2026-11-29 03:00:00,000 WARN exited: operator (exit status 1; not expected)
2026-11-29 03:08:00,123 INFO spawned: 'operator' with pid 7
2026-11-29 03:08:04,123 WARN exited: operator (exit status 1; not expected)
2026-11-29 03:08:05,124 WARN exited: operator (terminated by SIGKILL; not expected)
2026-11-29 03:08:06,124 WARN exited: hostd (exit status 0; expected)
2026-11-29 03:08:07,124 WARN stopped: libvirtd (exit status 0)
"""
    found = ends.ends_in(log, datetime(2026, 11, 29, 3, 10))
    assert found == {"operator": 2, "hostd": 1}
    assert found["libvirtd"] == 0


def test_systemd_tells_how_often_a_service_was_begun_anew_and_when() -> None:
    shown = "MainPID=7\nExecMainStartTimestampMonotonic=95000000\nNRestarts=14\n"
    assert running_of("operator", shown, 98.0) == Running("operator", 7, restarts=14, up_s=3.0)
    stopped = "MainPID=0\nExecMainStartTimestampMonotonic=0\nNRestarts=0\n"
    assert running_of("operator", stopped, 98.0) == Running("operator")


def test_a_circle_is_refused() -> None:
    circle = [Service("a", "", (), after=("b",)), Service("b", "", (), after=("a",))]
    with pytest.raises(ValueError, match="a → b → a is a circle"):
        in_start_order(circle)


def test_systemd_is_used_where_it_runs_and_only_for_the_machine_itself(tmp_path: Path) -> None:
    python, absent = Path("/x/python"), tmp_path / "absent"
    assert isinstance(supervisor_of(Layout(Path("/")), python, tmp_path), Systemd)
    assert isinstance(supervisor_of(Layout(Path("/")), python, absent), Supervisord)
    assert isinstance(supervisor_of(Layout(tmp_path), python, tmp_path), Supervisord)


def test_what_services_write_is_closed_to_others_but_for_what_qemu_passes_through() -> None:
    open_ones = {service.name for service in services(MACHINE) if service.umask & 0o007 != 0o007}
    assert open_ones == {"libvirtd"}
    assert "UMask=0027" in render_unit(by_name(MACHINE)["hostd"])
    assert "umask = 027" in render_program(by_name(MACHINE)["hostd"], MACHINE.layout)
    assert "umask = 027" in render_main(MACHINE.layout)


def test_a_unit_makes_its_directories_with_their_modes_outermost_first() -> None:
    made = [line for line in render_unit(by_name(MACHINE)["ovs-db"]).splitlines() if "ExecStartPre" in line]
    assert made == [
        "ExecStartPre=/usr/bin/install -d -m 0711 /run/quantix",
        "ExecStartPre=/usr/bin/install -d -m 0750 /run/quantix/openvswitch",
        "ExecStartPre=/usr/bin/install -d -m 0711 /var/lib/quantix",
        "ExecStartPre=/usr/bin/install -d -m 0750 /var/lib/quantix/openvswitch",
    ]
