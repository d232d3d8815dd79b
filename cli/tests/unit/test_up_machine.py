"""Whether a machine is fit for `qx up`: its system, room, ports and KVM."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_cli.settings import read_settings
from quantix_cli.supervision.table import Installation, services
from quantix_cli.up.prepare import machine
from quantix_cli.up.settings import judge_settings

GIB = 2**30
SETTINGS = judge_settings(read_settings({}))
INSTALLATION = Installation(
    SETTINGS.layout, "box", Path("/venv/bin/python"), code="", controlplane=Path("/quantix-controlplane")
)
FIT = machine.MachineFacts(
    system="debian",
    version="12",
    machine="x86_64",
    cores=2,
    memory_bytes=24 * GIB,
    free_disk_bytes=61 * GIB,
    is_installed=False,
)


def test_a_fit_machine_is_described_in_one_line() -> None:
    assert machine.judge_machine(FIT, SETTINGS) == "Debian 12, 2 cores, 24 GiB memory, 61 GiB free disk"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (replace(FIT, version="11"), "Debian 11 is not supported; 12 and 13 are."),
        (
            replace(FIT, system="ubuntu", version="24.04"),
            "Ubuntu 24.04 is not supported; Debian 12 and 13 are.",
        ),
        (
            replace(FIT, free_disk_bytes=int(8.1 * GIB)),
            "8.1 GiB of disk are free, 15 GiB are needed. "
            "Try: free some, or set QUANTIX_ROOT to a larger disk.",
        ),
        (
            replace(FIT, taken={6443: "k3s-server (pid 812)"}),
            "Port 6443 is taken by k3s-server (pid 812). "
            "Try: stop it, use it (QUANTIX_KUBECONFIG=…), or set QUANTIX_API_PORT.",
        ),
        (
            replace(FIT, taken={9443: "portainer (pid 813)"}),
            "Port 9443 is taken by portainer (pid 813). "
            "Try: stop it, or give it another port: that of Quantix is fixed.",
        ),
    ],
)
def test_an_unfit_machine_is_told_why_and_what_to_do(facts: machine.MachineFacts, sentence: str) -> None:
    with pytest.raises(PermanentError) as caught:
        machine.judge_machine(facts, SETTINGS)
    assert str(caught.value) == sentence


def test_a_machine_that_is_set_up_needs_little_more_disk() -> None:
    machine.judge_machine(replace(FIT, is_installed=True, free_disk_bytes=2 * GIB), SETTINGS)


def test_every_port_that_services_listen_on_is_looked_at_before_anything_is_started() -> None:
    told = {
        words[words.index(option) + 1].rpartition(":")[2]
        for service in services(INSTALLATION)
        for words in [service.argv]
        for option in ("--port", "--metrics", "--listen")
        if option in words
    }
    assert told == {"6443", "9442", "9443"}
    assert {str(port) for port in machine.ports_needed(SETTINGS, for_tests=False)} == told
    own = replace(SETTINGS, kubeconfig=Path("/their.kubeconfig"))
    assert machine.ports_needed(own, for_tests=False) == (9442, 9443)


def test_who_else_listens_on_a_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert machine.foreign_owners([port], tmp_path)[port].endswith(f"(pid {os.getpid()})")
    assert machine.foreign_owners([port], tmp_path) == {}
