"""`qx` as a process against a real API server: what it prints, and with which code it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantix_lab.kubeconfig import write_kubeconfig
from quantix_lab.qx_process import NAMESPACE, Qx, virtual_machine


def test_a_list_in_a_pipe_has_every_column_and_no_control_characters(qx: Qx) -> None:
    listed = qx.in_namespace("vm", "list")
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[0].split() == [
        "NAME", "STATE", "HOST", "ADDRESS", "CPU", "MEMORY", "PROTECTED", "AGE", "REASON",
    ]  # fmt: skip
    assert "\x1b" not in listed.stdout
    assert "NotEnoughMemory: No host has 64 GiB free: h1 41 GiB" in listed.stdout


def test_a_filter_by_state_keeps_what_fits(qx: Qx) -> None:
    listed = qx.in_namespace("vm", "list", "--state", "Waiting", "-o", "name")
    assert listed.stdout.split() == ["virtualmachines.quantix.io/db-1"]


def test_a_state_or_namespace_that_does_not_exist_is_no_empty_list(qx: Qx) -> None:
    listed = qx.in_namespace("vm", "list", "--state", "Foo")
    assert (listed.returncode, "Waiting" in listed.stderr) == (2, True)
    elsewhere = qx("vm", "list", "-n", "nosuch")
    assert (elsewhere.returncode, "There is no namespace nosuch." in elsewhere.stderr) == (5, True)


def test_json_is_what_the_api_has(qx: Qx) -> None:
    listed = json.loads(qx.in_namespace("vm", "list", "web-1", "-o", "json").stdout)
    assert [item["spec"]["memory"]["size"] for item in listed["items"]] == ["2Gi"]


def test_explain_tells_the_reason_the_way_out_and_what_happens_by_itself(qx: Qx) -> None:
    lines = qx.in_namespace("vm", "explain", "db-1").stdout.splitlines()
    assert lines[0].startswith("db-1 is Waiting for ")
    assert lines[0].endswith(": no host has 64 GiB free: h1 41 GiB (NotEnoughMemory).")
    assert lines[1].split() == ["Try", "lower", "memory,", "or", "add", "a", "host"]
    assert lines[-1] == "  It goes on by itself once that is done; nothing to retry."


def test_explain_takes_noun_and_name_in_one_word(qx: Qx) -> None:
    words = [qx.in_namespace(*typed).stdout for typed in (("explain", "vm/db-1"), ("vm", "explain", "db-1"))]
    # all but the first clause, which holds a running time
    assert words[0].partition(": ")[2] == words[1].partition(": ")[2] != ""


def test_a_name_that_is_not_there_ends_with_5_and_the_nearest(qx: Qx) -> None:
    shown = qx.in_namespace("vm", "show", "wbe-1")
    assert (shown.returncode, shown.stdout) == (5, "")
    assert "Did you mean web-1?" in shown.stderr


def test_a_wrong_word_ends_with_2(qx: Qx) -> None:
    assert qx("vm", "strat").returncode == 2


def test_a_deletion_without_a_terminal_needs_yes_and_changes_nothing(qx: Qx) -> None:
    asked = qx.in_namespace("vm", "delete", "web-2")
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    assert qx.in_namespace("vm", "show", "web-2").returncode == 0


def test_a_deletion_waits_until_the_object_is_gone(qx: Qx) -> None:
    qx.control_plane.kubectl(
        "apply", "--server-side", "-f", "-", stdin=json.dumps(virtual_machine("short-lived"))
    )
    deleted = qx.in_namespace("vm", "delete", "short-lived", "--yes")
    assert deleted.returncode == 0, deleted.stderr
    assert qx.in_namespace("vm", "show", "short-lived").returncode == 5


def test_stop_patches_spec_as_a_user_would(qx: Qx) -> None:
    assert qx.in_namespace("vm", "stop", "web-2", "--no-wait").returncode == 0
    shown = json.loads(qx.in_namespace("vm", "show", "web-2", "-o", "json").stdout)
    assert shown["spec"]["powerState"] == "Stopped"


def test_a_vm_that_is_off_is_not_paused_which_would_start_it(qx: Qx) -> None:
    paused = qx.in_namespace("vm", "pause", "web-2", "--no-wait")
    assert (paused.returncode, paused.stderr.startswith("✗ web-2 is off: it cannot be paused.")) == (6, True)
    assert "Paused" not in qx.in_namespace("vm", "show", "web-2").stdout


def test_a_wait_that_runs_out_ends_with_8_and_says_what_it_waited_for(qx: Qx) -> None:
    waited = qx.in_namespace("vm", "start", "web-1", "--timeout", "1")
    assert waited.returncode == 8
    assert f"qx vm explain -n {NAMESPACE} web-1" in waited.stderr


def test_what_cannot_be_is_refused_before_it_is_sent(qx: Qx) -> None:
    assert qx.in_namespace("vm", "stop", "web-1", "--grace", "86401", "--no-wait").returncode == 2


def test_who_may_not_gets_4(qx: Qx, tmp_path: Path) -> None:
    token = qx.control_plane.kubectl("create", "token", "default", "-n", "default").strip()
    stranger = tmp_path / "stranger.kubeconfig"
    plane = qx.control_plane
    write_kubeconfig(stranger, plane.server, ca_pem=plane.ca_pem, token=token)
    assert qx("vm", "list", "--kubeconfig", str(stranger)).returncode == 4


def test_an_api_that_does_not_answer_ends_with_7_and_calms(qx: Qx, tmp_path: Path) -> None:
    dead = tmp_path / "dead.kubeconfig"
    text = qx.control_plane.admin_kubeconfig.read_text()
    dead.write_text(text.replace(f":{qx.control_plane.port}", ":1"))
    listed = qx("vm", "list", "--kubeconfig", str(dead))
    assert listed.returncode == 7
    assert listed.stderr.startswith("✗ The API at 127.0.0.1:1 does not answer (")
    assert "running VMs are not affected" in listed.stderr
    assert "/apis/" not in listed.stderr
    assert "GET /apis/" in qx("vm", "list", "-v", "--kubeconfig", str(dead)).stderr


def test_status_says_what_needs_attention_and_ends_with_3(qx: Qx) -> None:
    told = qx("status")
    assert told.returncode == 3, told.stderr
    assert told.stdout.startswith("Needs attention: ")
    assert (
        f"db-1 Waiting: No host has 64 GiB free: h1 41 GiB.   qx vm explain db-1 -n {NAMESPACE}"
        in told.stdout
    )


SHARED_SPECS: dict[str, dict[str, Any]] = {
    "Image": {"upload": {}},
    "Network": {"subnets": [{"cidr": "10.9.0.0/24"}]},
    "Router": {"networks": [{"name": "tiny"}]},
}


@pytest.fixture(scope="module")
def shared(qx: Qx) -> str:
    """The name of an object of each kind that lies in quantix-shared for all."""
    for kind, spec in SHARED_SPECS.items():
        metadata = {"name": "tiny", "namespace": "quantix-shared"}
        manifest = {"apiVersion": "quantix.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        qx.control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    return "tiny"


@pytest.mark.parametrize("typed", ["shared/tiny", "shared/t*", "image/shared/tiny"])
def test_shared_names_the_object_of_quantix_shared(qx: Qx, shared: str, typed: str) -> None:
    shown = json.loads(qx.in_namespace("image", "show", typed, "-o", "json").stdout)
    assert (shown["metadata"]["name"], shown["metadata"]["namespace"]) == (shared, "quantix-shared")


@pytest.mark.usefixtures("shared")
def test_a_shared_object_is_listed_explained_and_deleted_by_its_shared_name_only(qx: Qx) -> None:
    listed = qx.in_namespace("image", "list", "shared/*").stdout.splitlines()
    assert any(line.startswith("shared/tiny ") for line in listed)
    assert qx.in_namespace("explain", "image/shared/tiny").stdout.startswith("tiny is ")
    missed = qx.in_namespace("image", "delete", "tiny", "--yes")
    assert (missed.returncode, "Did you mean shared/tiny?" in missed.stderr) == (5, True)
    assert qx.in_namespace("image", "delete", "--all", "--yes").returncode == 0
    assert qx.in_namespace("image", "show", "shared/tiny").returncode == 0


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("noun", [kind.lower() for kind in SHARED_SPECS])
def test_a_list_of_a_namespace_counts_what_is_shared_and_every_shared_kind_is_explained(
    qx: Qx, noun: str
) -> None:
    # other modules may have shared some before
    shared = qx(noun, "list", "shared/*", "-o", "name").stdout.split()
    empty = (noun, "list", "-n", "quantix-system")
    listed = qx(*empty)
    more = f"{len(shared)} more in quantix-shared: qx {noun} list 'shared/*'"
    assert any(name.endswith("/tiny") for name in shared)
    assert (listed.returncode, listed.stderr.splitlines()) == (0, [f"0 {noun}s", more])
    assert qx(*empty, "--state", "Failed").stderr.splitlines() == [f"0 {noun}s"]
    everywhere = qx(noun, "list", "-A")
    assert ("tiny" in everywhere.stdout, everywhere.stderr) == (True, "")
    for command in ((noun, "explain", "shared/tiny"), ("explain", f"{noun}/shared/tiny")):
        explained = qx.in_namespace(*command)
        assert (explained.returncode, explained.stdout.startswith("tiny is ")) == (0, True), explained.stderr
    assert qx(*empty, "-o", "name").stderr == ""


def test_what_cannot_be_shared_is_wrong_usage(qx: Qx) -> None:
    shown = qx.in_namespace("vm", "show", "shared/web-1")
    assert (shown.returncode, shown.stderr.splitlines()[0]) == (
        2,
        "✗ shared/web-1 is no name of a VM: it cannot be shared.",
    )


def test_a_context_that_is_not_there_is_wrong_usage_and_names_those_that_are(qx: Qx) -> None:
    listed = qx("vm", "list", "--context", "prod")
    assert listed.returncode == 2
    assert listed.stderr.startswith(
        f'✗ No context "prod" in {qx.control_plane.admin_kubeconfig}. There are: '
    )
