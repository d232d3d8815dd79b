"""What the benchmarks make of what they see: figures, metrics, processes, domains. No guest runs here."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from quantix_lab.bench import figures
from quantix_lab.bench.by_hand_libvirt import port_names, twin_of
from quantix_lab.bench.by_hand_qemu import command_line
from quantix_lab.bench.figures import at_least, at_most, percentile, report, table, told
from quantix_lab.bench.guests import Start
from quantix_lab.bench.idle import QEMU, figures_of, idle_by_name
from quantix_lab.bench.processes import Spent, cpu_s, spent_by, started_s
from quantix_lab.bench.rates import rate_of
from quantix_lab.bench.scale import TIMEOUT_S
from quantix_lab.bench.scale import figures_of as scale_figures
from quantix_lab.bench.start import compared
from quantix_lab.bench.writes import parse_writes

DOMAIN = """<domain type='qemu'><name>qx-1</name><uuid>11111111-1111-1111-1111-111111111111</uuid>
<title>default/web</title><metadata><mine/></metadata><devices>
<disk type='file' device='disk'><source file='/q/pool/volumes/1/data'/>
<target dev='vda'/></disk>
<disk type='file' device='cdrom'><target dev='sda'/></disk>
<interface type='bridge'><mac address='02:00:00:00:00:01'/>
<virtualport type='openvswitch'><parameters interfaceid='p-1'/></virtualport></interface>
<serial type='unix'><source mode='bind' path='/q/run/vm/1/serial.sock'/>
<log file='/q/log/vm/1/console.log' append='on'/></serial></devices></domain>"""
METRICS = """# TYPE apiserver_request_total counter
apiserver_request_total{code="201",dry_run="",resource="volumes",subresource="",verb="POST"} 3
apiserver_request_total{code="200",dry_run="",resource="volumes",subresource="status",verb="APPLY"} 2
apiserver_request_total{code="409",dry_run="",resource="volumes",subresource="status",verb="APPLY"} 9
apiserver_request_total{code="200",dry_run="All",resource="volumes",subresource="",verb="PATCH"} 9
apiserver_request_total{code="200",dry_run="",resource="volumes",subresource="",verb="LIST"} 9
apiserver_request_duration_seconds_count{resource="volumes",verb="POST"} 9
"""


def test_the_same_domain_by_hand_has_its_own_name_disks_and_sockets() -> None:
    twin = twin_of(DOMAIN, "by-hand-0", Path("/bench/0"), lambda disk: f"-F raw -b base-of-{disk}")
    domain = ElementTree.fromstring(twin.xml)
    assert (domain.findtext("name"), domain.find("metadata"), domain.find("title")) == (
        "by-hand-0",
        None,
        None,
    )
    assert domain.findtext("uuid") != "11111111-1111-1111-1111-111111111111"
    assert twin.disks == ("-F raw -b base-of-/q/pool/volumes/1/data /bench/0/vda.qcow2",)
    sources = [source.attrib for source in domain.iterfind("devices/*/source")]
    assert sources == [{"file": "/bench/0/vda.qcow2"}, {"mode": "bind", "path": "/bench/0/serial.sock"}]
    assert domain.find("devices/serial/log[@file='/bench/0/console.log']") is not None
    assert domain.find("devices/interface/mac[@address='02:00:00:00:00:01']") is not None
    assert port_names(twin.xml) == ["p-1"]


def test_writes_are_what_succeeded_and_was_meant() -> None:
    assert parse_writes(METRICS) == {"volumes": 5}


def test_processes_of_a_name_are_one_line_and_qemu_is_none_of_ours() -> None:
    before = {1: ("hostd", Spent("python", 10.0, 0, 0)), 2: (QEMU, Spent("qemu", 5.0, 0, 0))}
    after = {
        1: ("hostd", Spent("python", 10.3, 90_000_000, 50_000_000)),
        2: (QEMU, Spent("qemu", 9.0, 200_000_000, 200_000_000)),
        3: ("hostd", Spent("python", 0.3, 10_000_000, 10_000_000)),
    }
    found = idle_by_name(before, after, seconds=30.0, cores=2)
    assert found["hostd"].processes == 2
    assert found["hostd"].cpu_percent == pytest.approx(1.0)
    shown = {figure.name: figure for figure in figures_of(found)}
    assert shown["hostd (2), memory"].met is False
    assert shown["all but QEMU, memory (RSS)"].value == 100.0
    assert shown["all but QEMU, CPU"].met is True


def test_a_vm_that_does_not_run_in_time_counts_as_the_whole_time() -> None:
    shown = {figure.name: figure for figure in scale_figures(100, [1.0] * 94)}
    assert shown["100 VMs, 95 % Running"].value == TIMEOUT_S
    assert shown["100 VMs, 95 % Running"].met is False
    assert shown[f"100 VMs, Running within {TIMEOUT_S:.0f} s"].met is False
    assert scale_figures(100, [2.0] * 95 + [9.0] * 5)[1].met is True


def test_a_ratio_is_of_medians_of_one_run() -> None:
    figures = compared(1, [Start(2, 4), Start(9, 4), Start(2, 4)], [Start(1, 4), Start(1, 4), Start(1, 9)])
    ratios = [(figure.value, figure.met) for figure in figures if figure.unit == "x"]
    assert ratios == [(2.0, False), (1.0, True)]


def test_the_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 0.95), percentile(values, 0.5), percentile([7.0], 0.95)) == (95.0, 50.0, 7.0)


def test_the_table_and_the_file_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    assert at_most("a", 3.001, "s", 3.0).met is False
    found = [at_most("a", 3.0004, "s", 3.0), at_least("b", 1.0, "x", 0.9), told("c", 12345.0, "MB/s")]
    report("some", found, "a note")
    assert json.loads((tmp_path / "some.json").read_text()) == [
        {"name": "a", "value": 3.0, "unit": "s", "goal": 3.0, "met": True},
        {"name": "b", "value": 1.0, "unit": "x", "goal": 0.9, "met": True},
        {"name": "c", "value": 12345.0, "unit": "MB/s", "goal": None, "met": None},
    ]
    assert [line.split() for line in table(found)][3] == ["c", "12,345", "MB/s", "–", "–"]
    assert "a note" in capsys.readouterr().out


def test_processes_are_read_whatever_their_command_holds(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    numbers = [str(number) for number in range(4, 53)]
    (folder / "stat").write_text(f"7 (a) S 1) S {' '.join(numbers)}")
    (folder / "cmdline").write_text("/usr/bin/qemu-system-x86_64\0-m\0")
    (folder / "smaps_rollup").write_text("0-1 ---p 0 0:0 0 [rollup]\nRss:  10 kB\nPss:  4 kB\n")
    # proc(5): utime to cstime are fields 14 to 17, starttime is 22, in hundredths of a second
    assert [cpu_s(7, tmp_path), started_s(7, tmp_path)] == pytest.approx([0.62, 0.22])
    assert spent_by(7, tmp_path) == Spent("qemu-system-x86_64", 0.62, 10240, 4096)
    assert spent_by(8, tmp_path) is None


def test_by_hand_it_is_the_same_binary_machine_and_cpu() -> None:
    like = ["/usr/bin/qemu", "-machine", "pc-q35-7.2,usb=off", "-accel", "tcg", "-cpu", "qemu64", "-m", "1"]
    command = command_line(like, Path("/hand"))
    assert command[:7] == ["/usr/bin/qemu", "-machine", "pc-q35-7.2", "-accel", "tcg", "-cpu", "qemu64"]


def test_a_rate_is_told_by_the_time_of_the_guests_shell() -> None:
    said = "16+0 records out\r\nreal\t1m 2.50s\r\nuser\t0m 0.10s\r\n"
    assert rate_of(said, 125_000_000) == pytest.approx(2.0)
    with pytest.raises(RuntimeError):
        rate_of("dd: no such device", 1)
