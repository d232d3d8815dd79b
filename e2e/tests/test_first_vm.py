"""The life of a first VM: from a manifest, its address, its power, its end."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.times import render_time
from quantix_lab.guest_console import guest_console
from quantix_lab.machine_view import DATA_EXAMPLE, EXAMPLE, SHARED, MachineView, Manifest
from quantix_lab.vm_manifests import ipv4, ipv6
from quantix_lab.waiting import wait_for, wait_removed

QUICK_START_S = 2.0
QUIET_WRITES = 3
"""scheduler, operator and hostd: one write each (api.md, section 5)"""
SLOW_WRITES = 5
"""a start of more than 2 s also says that it starts, and hands Ready over"""


def test_deleting_the_example_leaves_nothing_behind(view: MachineView) -> None:
    vm = view.get("virtualmachine", "web-1")
    uid, handle = vm["metadata"]["uid"], view.get("volume", "web-1-root")["status"]["handle"]
    port = vm["status"]["nics"][0]["port"]
    assert any(handle in path for path in view.pool_files())
    assert port in view.taps()
    assert view.northbound_rows(uid)

    view.machine.kubectl("delete", "-f", str(EXAMPLE), "--timeout=60s", timeout_s=90)
    view.wait_gone("volume", "web-1-root")

    assert view.qemus() == []
    assert view.domains() == {}
    assert view.taps() == []
    assert view.northbound_rows(uid) == []
    assert [path for path in view.pool_files() if handle in path] == []
    for folder in (view.layout.vm_run(uid), view.layout.vm_data(uid)):
        wait_removed(folder)


def test_the_example_starts_with_few_writes(view: MachineView) -> None:
    line = len(view.audit())
    began_s = time.monotonic()
    view.machine.kubectl("apply", "-f", str(EXAMPLE))
    vm = view.wait_ready("web-1", reason="Running")
    took_s = time.monotonic() - began_s

    writes = [who for who in view.writes("virtualmachines", "web-1", after=line) if who.startswith("quantix")]
    allowed = QUIET_WRITES if took_s < QUICK_START_S else SLOW_WRITES
    assert len(writes) <= allowed, f"{len(writes)} writes in {took_s:.1f} s: {writes}"
    assert view.domains() == {f"qx-{vm['metadata']['uid']}": "running"}
    assert vm["metadata"]["finalizers"] == ["quantix.io/cleanup"]


def test_applying_the_same_manifest_again_changes_nothing(view: MachineView, web: Manifest) -> None:
    again = view.machine.kubectl("apply", "-f", str(EXAMPLE)).stdout
    assert again.split() == [
        "securitygroup.quantix.io/web",
        "unchanged",
        "virtualmachine.quantix.io/web-1",
        "unchanged",
    ]
    difference = view.machine.kubectl("diff", "-f", str(EXAMPLE), check=False)
    assert (difference.returncode, difference.stdout) == (0, "")
    after = view.get("virtualmachine", "web-1")
    assert after["metadata"]["generation"] == web["metadata"]["generation"]


def test_kubectl_is_a_first_class_tool(view: MachineView, web: Manifest) -> None:
    kubectl = view.machine.kubectl
    server_side = kubectl(
        "apply", "--server-side", "--force-conflicts", "--field-manager=me", "-f", str(EXAMPLE)
    )
    assert "virtualmachine.quantix.io/web-1 serverside-applied" in server_side.stdout
    waited = kubectl("wait", "--for=condition=Ready", "vm/web-1", "--timeout=30s")
    assert waited.stdout.strip() == "virtualmachine.quantix.io/web-1 condition met"
    explained = kubectl("explain", "vm.spec.powerState").stdout
    assert "FIELD: powerState" in explained
    assert "Stopped" in explained
    row = kubectl("get", "vm", "web-1", "--no-headers").stdout.split()
    assert row[:5] == ["web-1", "Running", "True", "box", ipv4(web)]
    assert "Scheduled" in kubectl("describe", "vm", "web-1").stdout
    assert view.get("virtualmachine", "web-1")["metadata"]["uid"] == web["metadata"]["uid"]


def test_kubectl_waits_for_no_condition_that_a_change_leaves_true(view: MachineView, web: Manifest) -> None:
    grace_s = web["spec"]["gracePeriodSeconds"] % 60 + 1
    view.patch("vm", "web-1", {"spec": {"gracePeriodSeconds": grace_s}})
    for wanted in ("Scheduled", "VolumesReady", "NetworkReady", "Ready", "Protected=False"):
        view.machine.kubectl("wait", f"--for=condition={wanted}", "vm/web-1", "--timeout=30s")


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "there", "back"),
    [
        ("volume", "web-1-root", "default", {"deletionProtection": True}, {"deletionProtection": False}),
        ("image", "tiny", SHARED, {"deletionProtection": True}, {"deletionProtection": False}),
        ("network", "default", SHARED, {"multicast": "Snooping"}, {"multicast": "Flood"}),
        ("storagepool", "local", "default", {"overcommitPercent": 201}, {"overcommitPercent": 200}),
        ("schedulingpolicy", "default", "default", {"balancer": {"mode": "Off"}}, {"balancer": None}),
        ("host", "box", "default", {"reserved": {"cpus": 0}}, {"reserved": None}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("web")
def test_kubectl_waits_for_no_object_that_a_change_leaves_ready(
    view: MachineView, kind: str, name: str, namespace: str, there: Manifest, back: Manifest
) -> None:
    for spec in (there, back):
        view.patch(kind, name, {"spec": spec}, namespace)
        wait = ("wait", "--for=condition=Ready", f"{kind}/{name}", "-n", namespace, "--timeout=30s")
        view.machine.kubectl(*wait)


def test_kubectl_explains_what_is_not_built(view: MachineView) -> None:
    explained = view.machine.kubectl("explain", "hapolicy.spec").stdout
    assert "Not built yet" in explained
    assert "Not built yet" not in view.machine.kubectl("explain", "vm.spec.powerState").stdout


def test_stopping_and_starting_keeps_the_addresses(view: MachineView, web: Manifest) -> None:
    view.patch("vm", "web-1", {"spec": {"powerState": "Stopped"}})
    stopped = view.wait_ready("web-1", reason="Stopped")
    assert view.qemus(web["metadata"]["uid"]) == []
    assert stopped["status"]["phase"] == "Stopped"
    assert stopped["status"]["runtime"]["lastExit"]["reason"] == "Requested"

    view.patch("vm", "web-1", {"spec": {"powerState": "Running"}})
    started = view.wait_ready("web-1", reason="Running")
    assert started["status"]["nics"] == web["status"]["nics"]
    view.wait_answer(ipv4(web), "hostname=web-1")
    view.wait_answer(ipv6(web), f"address6={ipv6(web)}")


def test_a_restart_that_was_asked_for_happens_once(view: MachineView, web: Manifest) -> None:
    before = view.qemu(web)
    at = render_time(datetime.now(UTC) - timedelta(seconds=1))
    view.patch("vm", "web-1", {"spec": {"restart": {"at": at, "mode": "Force"}}})

    def look() -> tuple[bool, object]:
        runtime = view.get("virtualmachine", "web-1")["status"]["runtime"]
        return runtime.get("handledRestartAt") == at, runtime

    wait_for(f"restart {at} to be handled", look)
    restarted = view.wait_ready("web-1", reason="Running")
    after = view.qemu(restarted)
    assert after != before
    view.wait_answer(ipv4(web))
    assert view.qemu(restarted) == after, "it was restarted more than once"


def test_a_guest_that_powers_itself_off_is_seen_and_stays_off_until_asked(
    view: MachineView, web: Manifest
) -> None:
    view.wait_answer(ipv4(web))
    with guest_console(view.machine, "web-1") as console:
        console.run("poweroff", until="poweroff")
        began_s = time.monotonic()
        view.wait_reason("virtualmachine", "web-1", "GuestShutdown")
        assert time.monotonic() - began_s < 20
        assert console.wait_for_end() == 0, console.said
    off = view.get("virtualmachine", "web-1")
    assert off["status"]["runtime"]["lastExit"]["reason"] == "GuestShutdown"
    assert condition_of(off, "Stalled").get("status") == "True"
    view.machine.qx("vm", "start", "web-1", timeout_s=90)
    view.wait_ready("web-1", reason="Running")
    view.wait_answer(ipv4(web))


def test_what_brings_a_guest_back_is_what_ha_restart_says(view: MachineView, web: Manifest) -> None:
    view.wait_answer(ipv4(web))
    before = says_restart(view, "Always")

    def look() -> tuple[bool, object]:
        pids = view.qemus(before["uid"])
        return bool(pids) and pids != [before["pid"]], pids

    with guest_console(view.machine, "web-1") as console:
        console.run("poweroff", until="poweroff")
        wait_for("it to be started again", look)
    never = says_restart(view, "Never")
    os.kill(never["pid"], signal.SIGKILL)
    view.wait_reason("virtualmachine", "web-1", "Held")
    off = view.get("virtualmachine", "web-1")
    assert view.qemus(never["uid"]) == []
    assert (off["status"]["phase"], off["status"]["runtime"]["lastExit"]["reason"]) == ("Failed", "Crashed")
    assert says_restart(view, "OnFailure")["pid"] != never["pid"]


def says_restart(view: MachineView, policy: str) -> dict[str, Any]:
    """UID and process of web-1, once it runs under this policy."""
    view.patch("vm", "web-1", {"spec": {"ha": {"restart": policy}}})
    vm = view.wait_ready("web-1", reason="Running")
    return {"uid": vm["metadata"]["uid"], "pid": view.qemu(vm)}


def test_the_example_with_data_runs_as_its_comments_say_and_leaves_the_data(view: MachineView) -> None:
    view.apply(DATA_EXAMPLE.read_text())
    vm = view.wait_ready("files-1", reason="Running")
    view.wait_answer(ipv4(vm), f"hostname=files-1 address={ipv4(vm)} address6={ipv6(vm)}")
    assert view.answer(ipv6(vm)) == "", "the group names no IPv6 network"
    with guest_console(view.machine, "files-1") as console:
        said = console.ask("cd /sys/block/vdb; echo $(cat serial) $(cat size)")
        assert said == f"files-data {2**30 // 512}"
    assert view.find("volume", "files-1-data") is None

    view.machine.kubectl("delete", "vm", "files-1", "--timeout=60s", timeout_s=90)
    view.wait_gone("volume", "files-1-root")
    view.wait_ready("files-data", kind="volume")
    view.machine.kubectl("delete", "-f", str(DATA_EXAMPLE), "--ignore-not-found", timeout_s=90)


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("vm", "list"), ("vm", "show", "web-1"), ("host", "list"), ("vm", "explain", "web-1")],
    ids=" ".join,
)
def test_qx_shows_what_runs(view: MachineView, web: Manifest, arguments: tuple[str, ...]) -> None:
    done = view.machine.qx(*arguments, check=False)
    assert done.returncode in (0, 3), f"{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    assert web["status"]["assignment"]["host"] in done.stdout


def test_the_defaults_are_ready(view: MachineView) -> None:
    for kind, name in (("image", "tiny"), ("network", "default"), ("router", "default")):
        view.wait_ready(name, kind=kind, namespace=SHARED)
    for kind, name in (("host", "box"), ("storagepool", "local"), ("instancetype", "small")):
        view.wait_ready(name, kind=kind)
