"""A namespace that is being deleted on a real API server: what `qx` makes of it, and what the server says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from quantix_api.messages import render
from quantix_cli.refusals import is_about_person, told
from quantix_lab.control_plane import ControlPlaneError
from quantix_lab.qx_process import Qx, virtual_machine

TEAM = "qx-going"


@pytest.fixture(scope="module")
def going(qx: Qx) -> Iterator[Qx]:
    """A namespace that waits for a VM, which waits for its finalizer."""
    plane = qx.control_plane
    plane.kubectl("create", "namespace", TEAM)
    vm = virtual_machine("kept")
    vm["metadata"] |= {"namespace": TEAM, "finalizers": ["quantix.io/cleanup"]}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(vm))
    plane.kubectl("delete", "namespace", TEAM, "--wait=false")
    yield qx
    free = json.dumps({"metadata": {"finalizers": None}})
    plane.kubectl("patch", "vm", "kept", "-n", TEAM, "--type=merge", "-p", free)
    plane.kubectl("wait", "--for=delete", "namespace", TEAM, "--timeout=60s")


@pytest.mark.parametrize(
    "command",
    [("volume", "create", "new", "--size", "1GiB"), ("network", "create", "new", "--subnet", "10.9.0.0/24")],
    ids=lambda command: command[0],
)
def test_nothing_is_made_in_it(going: Qx, command: tuple[str, ...]) -> None:
    said = render("NamespaceDeleting", namespace=TEAM)
    refused = going(*command, "-n", TEAM)
    assert (refused.returncode, refused.stdout) == (6, "")
    assert refused.stderr.splitlines() == [f"✗ {said.sentence_with_reason}", f"Try: {said.hint}"]


def test_the_servers_own_refusal_is_understood(going: Qx) -> None:
    vm = virtual_machine("new")
    vm["metadata"]["namespace"] = TEAM
    with pytest.raises(ControlPlaneError) as refused:
        going.control_plane.kubectl("create", "-f", "-", stdin=json.dumps(vm))
    words = str(refused.value)
    said = render("NamespaceDeleting", namespace=TEAM)
    assert (is_about_person(words), told(words).sentence) == (False, said.sentence_with_reason)
