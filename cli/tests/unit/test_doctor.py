"""What `qx doctor` makes of what it finds on a machine."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quantix_api.layout import Layout
from quantix_api.messages import render
from quantix_cli.commands.doctor import looked_at
from quantix_cli.doctor import certificates, machine, platform, services
from quantix_cli.doctor.certificates import Life
from quantix_cli.doctor.findings import (
    STOPPED,
    Finding,
    Verdict,
    document,
    good,
    lines,
    note,
    of_one_cause,
    on_purpose,
    problem,
    proven,
    summary,
    unknown,
)
from quantix_cli.doctor.machine import Room
from quantix_cli.supervision.service import Running
from quantix_cli.terminal import Terminal

PLAIN = Terminal(is_tty=False, colour=False, unicode=True, width=None)
NOW = datetime(2026, 11, 28, tzinfo=UTC)
GIB = 1 << 30


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ([good("a", "x")], "Healthy"),
        ([good("a", "x"), note("b", "y")], "Healthy, 1 thing to know"),
        ([problem("a", "x"), problem("b", "y"), unknown("c", "z")], "2 problems, 1 not looked at"),
    ],
)
def test_the_first_line_is_the_verdict(findings: list[Finding], told: str) -> None:
    assert summary(findings) == told


def test_each_finding_is_a_line_with_its_way_out_below_it_and_no_control_characters() -> None:
    told = lines([problem("disk", "full\x1b[2J\nnow", "delete something")], PLAIN)
    assert told == ["disk           ✕ full?[2J now", "                 Try: delete something"]


def test_programs_get_a_schema_of_its_own() -> None:
    told = json.loads(json.dumps(document([problem("disk", "full")], "box", "0.1.0")))
    assert (told["apiVersion"], told["kind"]) == ("cli.quantix.io/v1", "Doctor")
    assert told["checks"] == [{"check": "disk", "verdict": "Problem", "text": "full", "hint": ""}]


@pytest.mark.parametrize(
    ("running", "verdict", "words"),
    [
        ({"a": Running("a", 1), "b": Running("b", 2)}, Verdict.GOOD, "all 2 run"),
        ({"a": Running("a", 1), "b": Running("b")}, Verdict.PROBLEM, "1 of 2 run; not b"),
        ({}, Verdict.PROBLEM, STOPPED),
    ],
    ids=["all run", "one does not", "none is defined"],
)
def test_processes(running: dict[str, Running], verdict: Verdict, words: str) -> None:
    [finding] = services.judged(running, {}, is_own=True)
    assert (finding.verdict, finding.text) == (verdict, words)


def test_a_process_that_cannot_stay_up_is_told_apart_from_one_that_runs() -> None:
    running = {
        "controlplane": Running("controlplane", 1, restarts=5, up_s=600.0),
        "operator": Running("operator", 2, restarts=14, up_s=3.0),
        "hostd": Running("hostd", 0, restarts=4),
        "libvirtd": Running("libvirtd", 0),
    }
    words = {"operator": "Metrics cannot be served: Address already in use. Try: choose another --metrics."}
    told = services.judged(running, words, is_own=True)
    assert {finding.verdict for finding in told} == {Verdict.PROBLEM}
    assert [finding.text for finding in told] == [
        "1 of 4 run; not libvirtd",
        "operator ended 14 times and was begun anew, the last time 3 s ago: "
        "Metrics cannot be served: Address already in use",
        "hostd ended 4 times and was begun anew, and does not run right now",
    ]


def room(total: int, free: int, files: int = 0, free_files: int = 0) -> Room:
    return Room(Path("/data"), total, free, files, free_files)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (room(100 * GIB, 50 * GIB), Verdict.GOOD),
        (room(100 * GIB, 4 * GIB), Verdict.PROBLEM),
        (room(10 * GIB, 1 * GIB), Verdict.PROBLEM),
        (room(100 * GIB, 50 * GIB, 1000, 10), Verdict.PROBLEM),
        (room(100 * GIB, 50 * GIB, 1000, 900), Verdict.GOOD),
    ],
    ids=["half", "4 percent", "little", "no files left", "files left"],
)
def test_room_on_a_disk(found: Room, verdict: Verdict) -> None:
    assert machine.judged(found).verdict is verdict


def test_a_file_system_is_looked_at_once_and_where_it_is_not_there_yet(tmp_path: Path) -> None:
    assert len(machine.rooms((tmp_path, tmp_path / "not/yet"))) == 1


def life(begins_days: float, ends_days: float) -> Life:
    return Life(Path("/x/serving.crt"), NOW + timedelta(days=begins_days), NOW + timedelta(days=ends_days))


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (life(-1, 89), Verdict.GOOD, "is good for 89 d"),
        (life(-80, 10), Verdict.PROBLEM, "should have been renewed"),
        (life(-90, -1), Verdict.PROBLEM, "ended 24 h ago"),
        (life(1, 90), Verdict.PROBLEM, "is not good before"),
    ],
    ids=["young", "late", "ended", "the clock is behind"],
)
def test_the_life_of_a_certificate(found: Life, verdict: Verdict, words: str) -> None:
    finding = certificates.judge(found, NOW)
    assert (finding.verdict, words in finding.text) == (verdict, True)


def test_good_certificates_are_told_together_by_the_first_that_ends() -> None:
    findings = certificates.judged([life(-1, 90), life(-1, 30), life(-90, -1)], NOW)
    assert [finding.verdict for finding in findings] == [Verdict.PROBLEM, Verdict.GOOD]
    assert findings[1].text == "serving.crt is good for 30 d; 1 more end later"


def test_an_installation_that_is_not_there_has_no_certificates(tmp_path: Path) -> None:
    assert certificates.certificates(Layout(tmp_path)) == []


def test_a_file_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.pki.mkdir(parents=True)
    (layout.pki / "serving.crt").write_text("nonsense")
    [finding] = certificates.certificates(layout)
    assert (finding.verdict, finding.text) == (
        Verdict.PROBLEM,
        "serving.crt cannot be read: it holds no certificate",
    )


def answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1024)
        connection.sendall(answer)


@pytest.mark.parametrize(
    ("answer", "verdict"), [(b'{"id":"qx","result":["qx"]}', Verdict.GOOD), (b"SSH-2.0", Verdict.PROBLEM)]
)
def test_who_listens_has_to_answer_as_it_should(tmp_path: Path, answer: bytes, verdict: Verdict) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        answering = threading.Thread(target=answer_once, args=(listener, answer))
        answering.start()
        assert services.answering("OVN", path, b"{}", b'"qx"').verdict is verdict
        answering.join()
    assert services.answering("OVN", tmp_path / "none", b"{}", b'"qx"').verdict is Verdict.PROBLEM


def test_a_lease_from_the_future_is_a_clock_that_is_ahead() -> None:
    [finding] = platform.clocks({"h1": 1.0, "h2": -30.0, "h3": -1.0})
    assert finding.text == "that of h2 is 30 s ahead of this one"


def host(*conditions: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "box"}, "status": {"phase": "Ready", "conditions": list(conditions)}}


def test_what_the_host_complains_of_is_told_with_its_way_out() -> None:
    unknown_guests = {
        "type": "GuestsKnown", "status": "False", "reason": "OrphanProcess",
        "message": "A guest runs that no VM owns. Try: qx host end-orphan.",
    }  # fmt: skip
    unconfined = {
        "type": "Confined",
        "status": "False",
        "reason": "NoAppArmor",
        "message": "AppArmor is off.",
    }
    findings = platform.said_of("box", [host(unknown_guests, unconfined)])
    assert [(finding.verdict, finding.hint) for finding in findings] == [
        (Verdict.PROBLEM, "qx host end-orphan"),
        (Verdict.NOTE, ""),
    ]
    assert platform.said_of("box", [host()]) == [good("host box", "is Ready")]
    assert platform.said_of("other", [host()]) == []


@pytest.mark.parametrize(
    "fields",
    [{}, {"nested": "vmx or svm"}, {"why": "a guest started with it hangs"}],
    ids=["no vmx", "a VM", "it hangs"],
)
def test_kvm_is_told_as_the_host_itself_tells_it(fields: dict[str, str]) -> None:
    message = render("KVMUnusable", host="box", **fields)
    condition = {"type": "KVMAvailable", "status": "False", "reason": "KVMUnusable", "message": message.text}
    ready, told = platform.said_of("box", [host(condition)])
    assert ready == good("host box", "is Ready")
    assert told == machine.unusable("box", fields)
    assert told.hint == message.hint


def test_what_the_host_has_tried_counts_more_than_how_kvm_looks() -> None:
    tried, looks, disk = note("KVM", "a guest hangs", "x"), good("KVM", "it is there"), good("disk", "free")
    assert proven([tried, disk, looks]) == [tried, disk]
    assert proven([tried, disk, tried]) == [tried, disk], "both say the same where KVM is missing"
    assert proven([disk, looks]) == [disk, looks]


def test_a_check_that_cannot_be_made_says_so() -> None:
    def broken() -> list[Finding]:
        raise PermissionError(13, "Permission denied")

    [finding] = looked_at("disk", broken)
    assert (finding.verdict, "Permission denied" in finding.text) == (Verdict.UNKNOWN, True)


@pytest.mark.parametrize(
    ("taken", "most", "verdict", "guests"),
    [(2048, 65536, Verdict.GOOD, 15), (65536, 65536, Verdict.PROBLEM, 0), (70000, 65536, Verdict.PROBLEM, 0)],
)
def test_for_how_many_more_guests_the_kernel_has_asynchronous_io(
    taken: int, most: int, verdict: Verdict, guests: int, tmp_path: Path
) -> None:
    (tmp_path / "aio-nr").write_text(f"{taken}\n")
    (tmp_path / "aio-max-nr").write_text(f"{most}\n")
    (found,) = machine.disk_requests(tmp_path)
    assert found.verdict is verdict
    assert f"some {guests} more guests" in found.text


def test_what_is_down_on_purpose_is_no_problem_while_somebody_stops_it() -> None:
    down = [problem("processes", "5 of 7 run", "make up"), problem("hostd", "gone"), problem("disk", "full")]
    told, *rest = on_purpose(down)
    assert (told.verdict, told.hint) == (Verdict.NOTE, "wait until make down has ended")
    assert [finding.verdict for finding in rest] == [Verdict.NOTE, Verdict.NOTE, Verdict.PROBLEM]
    assert rest[0].text == "5 of 7 run: it is being stopped"


def test_what_does_not_answer_because_all_is_stopped_is_one_problem() -> None:
    gone = [problem(check, "gone", "make up") for check in ("control plane", "libvirt", "OVN", "hostd")]
    [stopped] = services.judged({}, {}, is_own=True)
    assert of_one_cause([*gone, stopped, problem("disk", "full")]) == [stopped, problem("disk", "full")]
    # one that fell over is looked for
    some = problem("processes", "5 of 7 run; not hostd", "make up")
    assert of_one_cause([*gone, some]) == [*gone, some]
