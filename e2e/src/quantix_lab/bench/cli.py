"""`make bench-cli`: how long a person waits for `qx`, with 1,000 VMs in a real control plane on loopback.

Each figure is the median of several runs of the whole process, as a shell would time it: run it on a machine
that does nothing else. The VMs are made through the API and look as the operator and hostd leave a running
one.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantix_api.installation import stage_manifests
from quantix_api.resources import MANAGER_HOSTD, MANAGER_OPERATOR, MANAGER_SCHEDULER, VIRTUAL_MACHINES
from quantix_client.api import ApiClient, Manifest
from quantix_lab.api_installation import install
from quantix_lab.bench.figures import Figure, at_most, report, spread
from quantix_lab.control_plane import ControlPlane

VMS = 1000
NAMESPACE = "bench"
RUNS = 7
PARALLEL = 16
_MANAGERS = (MANAGER_SCHEDULER, MANAGER_OPERATOR, MANAGER_HOSTD)
_SINCE = "2026-11-28T00:00:00Z"


@dataclass(frozen=True)
class Question:
    """What is typed, and the longest that it may take. `lines`: how many lines it has to answer at least."""

    arguments: tuple[str, ...]
    goal_s: float
    lines: int


QUESTIONS = (
    Question(("--help",), 0.2, 10),
    Question(("vm", "list", "--help"), 0.2, 10),
    Question(("completion", "bash", "--", "vm", "sta"), 0.2, 1),
    Question(("completion", "bash", "--", "vm", "start", "-n", NAMESPACE, ""), 0.2, 1),
    Question(("vm", "list", "-n", NAMESPACE), 0.7, VMS + 1),
)


def main() -> None:
    """Start, fill, ask, report."""
    with tempfile.TemporaryDirectory(prefix="quantix-bench-") as folder, ControlPlane(Path(folder)) as plane:
        install(plane, [*stage_manifests("namespaces"), *stage_manifests("crds")])
        plane.kubectl("create", "namespace", NAMESPACE)
        asyncio.run(fill(plane.admin_kubeconfig))
        figures = [measure(question, plane.admin_kubeconfig) for question in QUESTIONS]
    report("cli", figures, f"{VMS:,} VMs, median of {RUNS} runs")


async def fill(kubeconfig: Path) -> None:
    """Make the VMs, and say of each what scheduler, operator and hostd say of one that runs."""
    gate = asyncio.Semaphore(PARALLEL)

    async def one(api: ApiClient, number: int) -> None:
        async with gate:
            made = await api.create(VIRTUAL_MACHINES, virtual_machine(number))
            metadata = {name: made["metadata"][name] for name in ("name", "namespace", "uid")}
            for manager, status in zip(_MANAGERS, statuses(number, metadata["uid"]), strict=True):
                said = {"metadata": metadata, "status": status}
                await api.apply(VIRTUAL_MACHINES, said, manager=manager, subresource="status")

    async with ApiClient.from_kubeconfig(kubeconfig, user_agent="bench", timeout_s=60.0) as api:
        await asyncio.gather(*(one(api, number) for number in range(VMS)))


def virtual_machine(number: int) -> Manifest:
    """A VM as a user writes it."""
    name = f"web-{number:04d}"
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "web"}},
        "spec": {
            "instanceType": "small",
            "disks": [{"name": "root", "image": "debian-13", "size": "20Gi"}],
            "nics": [{"name": "eth0", "network": "default"}],
        },
    }


def statuses(number: int, uid: str) -> tuple[dict[str, Any], ...]:
    """What each of `_MANAGERS` says of the VM."""
    host, address = f"h{number % 16:02d}", f"10.77.{number // 250}.{number % 250 + 2}"
    scheduler = {
        "assignment": {"host": host, "epoch": 1},
        "conditions": [_true("Scheduled", "Assigned", f"Host {host} runs it.")],
    }
    operator = {
        "resolved": {"cores": 2, "memory": "2Gi", "machineType": "pc-q35-7.2", "uuid": uid},
        "conditions": [
            _true("VolumesReady", "AllReady", "All volumes are there."),
            _true("NetworkReady", "AllReady", "All NICs have their ports."),
            _true("Protected", "Protected", f"If {host} fails, it starts on another host."),
            _true("Migratable", "Migratable", "It can move to another host while it runs."),
        ],
    }
    hostd = {
        "phase": "Running",
        "addresses": [address],
        "runtime": {"observedEpoch": 1, "domain": "Present"},
        "conditions": [_true("Ready", "Running", f"It runs on {host}.")],
    }
    return scheduler, operator, hostd


def _true(condition_type: str, reason: str, message: str) -> dict[str, Any]:
    said = {"type": condition_type, "status": "True", "reason": reason, "message": message}
    return said | {"observedGeneration": 1, "lastTransitionTime": _SINCE}


def measure(question: Question, kubeconfig: Path) -> Figure:
    """The median of some runs, after one that warms the caches up. Raises where the answer is not whole."""
    ask(question, kubeconfig)
    took_s = [ask(question, kubeconfig) for _ in range(RUNS)]
    name = " ".join(("qx", *question.arguments))
    return at_most(name, statistics.median(took_s), "s", question.goal_s, noise=spread(took_s))


def ask(question: Question, kubeconfig: Path) -> float:
    """Seconds from the start of `qx` to its end, its output in a pipe."""
    command = [str(Path(sys.executable).with_name("qx")), *question.arguments]
    # PYTHONPATH: the sources that this is run on
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    own = {**inherited, "LANG": "C.UTF-8", "QUANTIX_KUBECONFIG": str(kubeconfig)}
    began_s = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=own)
    took_s = time.perf_counter() - began_s
    lines = len(done.stdout.splitlines())
    if lines < question.lines:
        raise RuntimeError(f"{' '.join(command)} answered {lines} lines, not {question.lines}")
    return took_s


if __name__ == "__main__":
    main()
