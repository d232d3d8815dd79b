"""A control plane with Quantix installed, the real operator, and scripted hosts: for the operator's tests.

The operator runs whole, from kopf to its controllers, in a process of its own; without a northbound database,
so VMs have no NICs here.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from quantix_api.conditions import condition_of
from quantix_api.resources import EVENTS, NAMESPACES, VIRTUAL_MACHINES, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import Conflict, NotFound, Throttled
from quantix_lab.api_installation import start_installed
from quantix_lab.control_plane import ControlPlane
from quantix_lab.host_credentials import host_kubeconfig
from quantix_lab.scripted_hostd import ScriptedHostd

DEADLINE_S = 20.0
_OPERATOR = "from quantix_operator.main import main; main()"
_LOOK_S = 0.1


@dataclass
class OperatorWorld:
    """Everything that a test of the operator talks to; `admin` acts as a cluster administrator."""

    control_plane: ControlPlane
    admin: ApiClient
    hosts: dict[str, ScriptedHostd] = field(default_factory=dict)
    at_work: list[asyncio.Task[None]] = field(default_factory=list)
    """What the hosts do; a task that ended by itself fails whoever waits next, with its error."""
    operator: asyncio.subprocess.Process | None = None

    async def start_operator(self) -> None:
        """A process of its own, which dies with the test run."""
        root = self.control_plane.root
        flags = ["--root", str(root), "--kubeconfig", str(self.control_plane.operator_kubeconfig)]
        with (root / "operator.log").open("ab") as output:
            self.operator = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", sys.executable, "-c", _OPERATOR),
                *(*flags, "--metrics", "127.0.0.1:0", "--log-format", "json"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def stop_operator(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it wherever it is; fails when it had ended by itself."""
        assert self.operator is not None
        assert self.operator.returncode is None, "the operator ended by itself: see operator.log"
        self.operator.send_signal(number)
        await self.operator.wait()

    async def apply(
        self, resource: Resource, name: str, spec: dict[str, Any], namespace: str = ""
    ) -> Manifest:
        """Declare an object as a user does, again while the server only learns of the kind."""
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        body = {"metadata": metadata, "spec": spec}
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                return await self.admin.apply(resource, body, manager="kubectl")
            except Throttled:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_LOOK_S)

    async def namespace(self, name: str) -> str:
        with suppress(Conflict):
            await self.admin.create(NAMESPACES, {"metadata": {"name": name}})
        return name

    async def until(
        self,
        resource: Resource,
        name: str,
        holds: Callable[[Manifest], bool],
        namespace: str = "",
        within_s: float = DEADLINE_S,
    ) -> Manifest:
        """The object once `holds`; fails with its last state."""
        live: Manifest = {}
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            self._expect_hosts_at_work()
            try:
                live = await self.admin.get(resource, name, namespace or None)
            except NotFound:
                live = {}
            if live and holds(live):
                return live
            await asyncio.sleep(_LOOK_S)
        text = yaml.safe_dump({key: live.get(key) for key in ("spec", "status")})
        raise AssertionError(f"{resource.kind} {name} is not as expected after {within_s} s:\n{text}")

    async def until_gone(self, resource: Resource, name: str, namespace: str = "") -> None:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            self._expect_hosts_at_work()
            try:
                live = await self.admin.get(resource, name, namespace or None)
            except NotFound:
                return
            await asyncio.sleep(_LOOK_S)
        raise AssertionError(f"{resource.kind} {name} is still there:\n{yaml.safe_dump(live)}")

    async def until_ready(self, vm: str, namespace: str, reason: str = "Running") -> Manifest:
        """A VM whose Ready gives this reason for its newest generation."""
        return await self.until(VIRTUAL_MACHINES, vm, says("Ready", reason), namespace)

    async def until_event(self, namespace: str, reason: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            self._expect_hosts_at_work()
            events = await self.admin.list(EVENTS, namespace)
            if any(event["reason"] == reason for event in events.items):
                return
            await asyncio.sleep(_LOOK_S)
        raise AssertionError(f"no event {reason} in {namespace}")

    def _expect_hosts_at_work(self) -> None:
        for task in self.at_work:
            if task.done():
                task.result()


def says(condition_type: str, reason: str) -> Callable[[Manifest], bool]:
    """Whether a condition gives this reason, about the object's newest generation."""

    def holds(live: Manifest) -> bool:
        found = condition_of(live, condition_type)
        current = found.get("observedGeneration") in (None, live["metadata"]["generation"])
        return found.get("reason") == reason and current

    return holds


@asynccontextmanager
async def operator_world(root: Path, host_names: tuple[str, ...] = ("h1",)) -> AsyncIterator[OperatorWorld]:
    """A world of its own below `root`, with an operator and these hosts at work."""
    async with AsyncExitStack() as stack:
        plane = ControlPlane(root / "controlplane")
        stack.push_async_callback(asyncio.to_thread, plane.stop)
        await asyncio.to_thread(start_installed, plane)
        admin = await stack.enter_async_context(
            ApiClient.from_kubeconfig(plane.admin_kubeconfig, user_agent="test")
        )
        world = OperatorWorld(plane, admin)
        await world.start_operator()
        stack.push_async_callback(world.stop_operator)
        for name in host_names:
            client = ApiClient.from_kubeconfig(host_kubeconfig(plane, root, name), user_agent="hostd")
            hostd = ScriptedHostd(await stack.enter_async_context(client), name)
            world.hosts[name] = hostd
            world.at_work.append(await stack.enter_async_context(running(hostd.run())))
        yield world


@asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[asyncio.Task[None]]:
    """`work` as a task while inside; what it raised by itself fails the test."""
    task = asyncio.ensure_future(work)
    assert isinstance(task, asyncio.Task)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
