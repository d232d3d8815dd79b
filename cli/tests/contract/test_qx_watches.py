"""`qx` that goes on showing what changes on a real API server, and how it ends."""

from __future__ import annotations

import json
import signal

import pytest

from quantix_lab.qx_process import NAMESPACE, Qx, say_ready, virtual_machine


@pytest.mark.usefixtures("heeded_interrupt")
def test_a_list_that_is_watched_in_a_pipe_gets_a_row_for_each_change(qx: Qx) -> None:
    qx.control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(virtual_machine("seen")))
    with qx.following("vm", "list", "--watch", "seen") as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().split()[:2] == ["NAME", "STATE"]
        assert watch.stdout.readline().split()[0] == "seen"
        say_ready(qx.control_plane, "web-1", "False", "NoHostFits", "Somebody else changes.")
        say_ready(qx.control_plane, "seen", "False", "NoHostFits", "There is no host yet.")
        assert watch.stdout.readline().split()[-6:] == ["NoHostFits:", "There", "is", "no", "host", "yet"]
        qx.control_plane.kubectl("delete", "vm", "seen", "-n", NAMESPACE)
        assert "Deleted" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=20) == 130


def test_a_list_that_is_watched_as_json_is_an_object_a_line(qx: Qx) -> None:
    with qx.following("vm", "list", "-w", "web-2", "-o", "json") as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["metadata"]["name"] == "web-2"
        say_ready(qx.control_plane, "web-2", "False", "NoHostFits", "There is no host yet.")
        assert json.loads(watch.stdout.readline())["status"]["conditions"][0]["reason"] == "NoHostFits"


def test_a_reader_that_has_seen_enough_is_no_failure(qx: Qx) -> None:
    with qx.following("vm", "list", "-w", "-o", "name") as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        watch.stdout.readline()
        watch.stdout.close()
        say_ready(qx.control_plane, "web-2", "False", "NoHostFits", "There is still no host.")
        assert (watch.wait(timeout=20), watch.stderr.read()) == (0, "")


def test_a_watch_of_what_is_not_there_ends_at_once(qx: Qx) -> None:
    assert qx.in_namespace("vm", "list", "--watch", "nosuch").returncode == 5
