"""Promises of VMs and of Volumes wait for each other."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from quantix_api.resources import QUANTIX_RESOURCES
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.controller import VirtualMachineController
from quantix_operator.volume.controller import VolumeController


async def test_vms_and_volumes_promise_under_one_lock() -> None:
    parts: Any = SimpleNamespace()
    context = Context(parts, parts, Cache(QUANTIX_RESOURCES), parts, parts, parts, parts, "uid")
    objects = Objects(context.cache)
    volumes = VolumeController(context, objects)
    machines = VirtualMachineController(context, objects, parts, parts)
    async with volumes._promising:
        waiting = asyncio.create_task(machines._promising.acquire())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
