"""The example VM: declares examples/first-vm.yaml, and believes that it runs when it answers."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.errors import QuantixError, TransientError
from quantix_api.resources import NAMESPACE_SHARED
from quantix_cli.up.hostd_door import HostdDoor
from quantix_cli.up.run.progress import cut
from quantix_cli.up.start.declaring import declare
from quantix_cli.up.start.defaults import IMAGE
from quantix_cli.up.start.going import is_going, trouble_of_going, until_gone
from quantix_cli.up.start.manifests import resource_of
from quantix_cli.up.start.patience import Patience
from quantix_cli.up.start.verdict import NAMESPACE, Trouble
from quantix_cli.up.start.waiting import is_ready, until, why_not_ready
from quantix_cli.ways_in import read_gate, shut
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound

NAME = "web-1"
PORT = 80
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
UPLOAD_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 120.0
SILENCE_S = 60.0
_QUOTED = 160


@dataclass(frozen=True)
class ExampleState:
    """How the example is. `address` is "" when it is to be off or has no NIC, or `trouble` keeps it so."""

    address: str
    power_state: str
    trouble: Trouble | None = None
    has_nic: bool = True


async def ensure_image(client: ApiClient, door: HostdDoor, file: Path, say: Callable[[str], None]) -> bool:
    """Send the guest image unless the cluster has it. Raises TransientError with what is missing."""
    if is_ready(await client.get(resources.IMAGES, IMAGE, NAMESPACE_SHARED)):
        return False
    sent = False

    async def look() -> bool | None:
        nonlocal sent
        image = await client.get(resources.IMAGES, IMAGE, NAMESPACE_SHARED)
        if is_ready(image):
            return True
        say(why_not_ready(image))
        if condition_of(image).get("reason") == "WaitingForUpload" and not sent:
            await door.upload_image(NAMESPACE_SHARED, IMAGE, file)
            sent = True
        return None

    async def give_up() -> QuantixError:
        image = await client.get(resources.IMAGES, IMAGE, NAMESPACE_SHARED)
        return TransientError(
            "ImageNotReady",
            f"Image {IMAGE} was not ready within {UPLOAD_TIMEOUT_S:.0f} s: {why_not_ready(image)}",
            f"kubectl describe image {IMAGE} -n {NAMESPACE_SHARED}",
        )

    await until(look, UPLOAD_TIMEOUT_S, give_up)
    return True


async def ensure_declared(client: ApiClient, file: Path, say: Callable[[str], None]) -> bool:
    """Apply the objects of `file` that are not there, or go; what is there is the user's. Raises as `declare`
    and as `until_gone`.
    """
    manifests = list(yaml.safe_load_all(file.read_text()))
    for manifest in manifests:
        manifest["metadata"].setdefault("namespace", NAMESPACE)
    # all first: what one needs may go only after it
    for manifest in manifests:
        there = await _there(client, manifest)
        if there is not None and is_going(there):
            await until_gone(client, resource_of(manifest), there, say)
    changed = False
    for manifest in manifests:
        if await _there(client, manifest) is None:
            await declare(client, resource_of(manifest), as_kubectl_applies(manifest), say)
            changed = True
    return changed


async def _there(client: ApiClient, manifest: dict[str, Any]) -> dict[str, Any] | None:
    metadata = manifest["metadata"]
    try:
        return await client.get(resource_of(manifest), metadata["name"], metadata["namespace"])
    except NotFound:
        return None


def as_kubectl_applies(manifest: dict[str, Any]) -> dict[str, Any]:
    """`manifest` with the annotation by which `kubectl apply -f` later sees that nothing changed."""
    metadata = {"annotations": {}, **manifest["metadata"]}
    applied = json.dumps({**manifest, "metadata": metadata}, sort_keys=True, separators=(",", ":"))
    annotations = {**metadata["annotations"], LAST_APPLIED: applied + "\n"}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


async def is_answering(client: ApiClient) -> bool:
    """Whether the VM is Ready and answers, without waiting for it."""
    vm = await client.get(resources.VIRTUAL_MACHINES, NAME, NAMESPACE)
    return is_ready(vm) and any([await connects(address, PORT) for address in addresses(vm)])


async def wait_for_answer(
    client: ApiClient,
    door: HostdDoor,
    say: Callable[[str], None],
    patience_s: float | None,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> ExampleState:
    """Wait until the VM is Ready and a TCP connection from this machine to it succeeds; a VM without a NIC is
    only to be Ready. One that somebody deletes meanwhile is reported.

    After `patience_s` seconds of one and the same trouble it is what somebody made of the VM, and reported
    instead of waited for, as it is when the VM runs and answers nobody for a minute. None is for a VM that
    was just made: only trouble that nobody but a person ends is reported. So is, in both cases and at once, a
    VM whose security groups let nobody in.

    Raises TransientError that quotes the VM's condition, or the last line of its console.
    """
    try:
        vm = await client.get(resources.VIRTUAL_MACHINES, NAME, NAMESPACE)
    except NotFound:
        return ExampleState("", "Running", trouble_of_going(NAMESPACE, NAME))
    power_state = str((vm.get("spec") or {}).get("powerState") or "Running")
    if power_state != "Running":
        return ExampleState("", power_state)
    loop = asyncio.get_running_loop()
    silence_s = min(SILENCE_S, timeout_s) if patience_s is not None else math.inf
    answer = _Answer(client, say, Patience(patience_s, loop.time), silence_s, power_state, vm)

    async def give_up() -> QuantixError:
        return await _no_answer(answer.latest, door, timeout_s)

    return await until(answer.look, timeout_s, give_up)


@dataclass
class _Answer:
    """The wait for a VM that is to run, at its latest look. `silence_s`: how long it may be Ready and answer
    nobody before that is reported.
    """

    client: ApiClient
    say: Callable[[str], None]
    patience: Patience
    silence_s: float
    power_state: str
    latest: dict[str, Any]
    ready_s: float | None = None

    async def look(self) -> ExampleState | None:
        """How it is, None to go on waiting."""
        try:
            self.latest = await self.client.get(resources.VIRTUAL_MACHINES, NAME, NAMESPACE)
        except NotFound:
            return self._state(trouble_of_going(NAMESPACE, NAME))
        if is_going(self.latest):
            return self._state(trouble_of_going(NAMESPACE, NAME))
        if not is_ready(self.latest):
            self.ready_s = None
            self.say(why_not_ready(self.latest))
            trouble = self.patience.over(self.latest)
            return self._state(trouble) if trouble is not None else None
        if not (self.latest.get("spec") or {}).get("nics"):
            return ExampleState("", self.power_state, has_nic=False)
        return await self._knock()

    async def _knock(self) -> ExampleState | None:
        for address in addresses(self.latest):
            self.say(f"waiting for {address} to answer on port {PORT}")
            if await connects(address, PORT):
                return ExampleState(address, self.power_state)
        now_s = asyncio.get_running_loop().time()
        self.ready_s = self.ready_s or now_s
        is_long = now_s - self.ready_s >= self.silence_s
        silence = await _silence(self.client, self.latest, is_long=is_long)
        return self._state(silence) if silence is not None else None

    def _state(self, trouble: Trouble) -> ExampleState:
        return ExampleState("", self.power_state, trouble)


async def _silence(client: ApiClient, vm: dict[str, Any], *, is_long: bool) -> Trouble | None:
    """Why it answers nobody: the rule that is missing, where no address of it lets anybody in; otherwise
    something only once the silence is long.
    """
    shown = ", ".join(addresses(vm)) or "it has no address and"
    ways = [shut(await read_gate(client, vm, address), PORT) for address in addresses(vm)]
    sure = [way for way in ways if way is not None and way.is_sure]
    if ways and len(sure) == len(ways):
        why = f"{shown} cannot answer on port {PORT}: {sure[0].said.rstrip('.')}"
        return Trouble(NAMESPACE, NAME, "silent", why, sure[0].hint)
    why = f"{shown} does not answer on port {PORT}, which its security group may have closed"
    return Trouble(NAMESPACE, NAME, "silent", why) if is_long else None


def addresses(vm: dict[str, Any]) -> list[str]:
    """The IPv4 addresses that the platform gave the VM."""
    nics = (vm.get("status") or {}).get("nics") or []
    return [address for nic in nics for address in nic.get("addresses") or [] if ":" not in address]


async def connects(address: str, port: int) -> bool:
    """Whether a TCP connection succeeds within 2 s."""
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _no_answer(vm: dict[str, Any], door: HostdDoor, timeout_s: float) -> QuantixError:
    within = f"{NAME} did not answer within {timeout_s:.0f} s"
    if not is_ready(vm):
        return TransientError("ExampleSilent", f"{within}: {why_not_ready(vm)}", f"qx vm explain {NAME}")
    printed = [line.strip() for line in await door.last_console_lines(NAMESPACE, NAME, 20) if line.strip()]
    said = (
        f'; its console says "{cut(printed[-1], _QUOTED, "…")}"' if printed else "; its console says nothing"
    )
    hint = f"qx vm console {NAME}; the VM's security group has to open port {PORT}"
    return TransientError("ExampleSilent", f"{within}{said}.", hint)
