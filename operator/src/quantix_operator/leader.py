"""What a leader makes sure of before it decides anything, and that it decides nothing once it leads no more.

Called by `service` right after the election.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from quantix_api.errors import InvariantError
from quantix_api.resources import CLUSTER_CONFIG_MAP, CONFIG_MAPS, NAMESPACE_SYSTEM
from quantix_client.api import ApiClient
from quantix_client.errors import AlreadyExists, NotFound

log = structlog.get_logger(__name__)

LEADER_LEASE = "quantix-operator"
# the margin by which a leader stops before another may begin (LeaderTimes)
LAST_WORK_S = 1.0


class Leadership(Protocol):
    """What is asked of a `LeaderLease` that was acquired."""

    @property
    def remaining_s(self) -> float: ...

    async def hold(self) -> None: ...


async def work_while_leading(
    lease: Leadership, work: Callable[[], Coroutine[Any, Any, None]], die: Callable[[], None]
) -> None:
    """Run `work` until leadership is lost, the work fails (raises it), or this is cancelled.

    Work that does not end in time is ended with the process: `die` must not return. Another leader may begin
    then, and two must not decide.
    """
    working = asyncio.create_task(work(), name="controllers")
    holding = asyncio.create_task(lease.hold(), name="lease")
    try:
        await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        await asyncio.wait({working}, timeout=lease.remaining_s + LAST_WORK_S)
        if not working.done():
            log.error("a former leader's work does not end, so the process does")
            die()
        holding.cancel()
        await asyncio.wait({holding})


async def ensure_cluster_uid(client: ApiClient) -> str:
    """The UID of this cluster, made by its first leader and never changed.

    Raises InvariantError (ClusterUIDInvalid) when the ConfigMap was tampered with: claims and switch ports
    are named by it.
    """
    try:
        config_map = await client.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM)
    except NotFound:
        config_map = await _create(client)
    uid = str((config_map.get("data") or {}).get("uid") or "")
    try:
        return str(uuid.UUID(uid))
    except ValueError as error:
        raise InvariantError(
            "ClusterUIDInvalid",
            f"ConfigMap {NAMESPACE_SYSTEM}/{CLUSTER_CONFIG_MAP} holds {uid!r}, which is no UID of a cluster",
            "put back the UID that it had; claims in the storage name it",
        ) from error


async def _create(client: ApiClient) -> dict[str, object]:
    uid = str(uuid.uuid4())
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CLUSTER_CONFIG_MAP, "namespace": NAMESPACE_SYSTEM},
        "data": {"uid": uid},
    }
    try:
        created = await client.create(CONFIG_MAPS, body)
    except AlreadyExists:
        return await client.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM)
    log.info("cluster named", uid=uid)
    return created
