"""What `qx volume move` does not send of a volume that is to go into Ceph, or out of it."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import HOSTS, STORAGE_POOLS, Resource
from quantix_cli.destinations import refuse_move
from quantix_cli.exits import CommandError, Exit
from quantix_lab.qx_session import qx_session

Manifest = dict[str, Any]
READY = {"type": "Ready", "status": "True", "reason": "Reachable", "message": "It is."}
BARRED = "box has no directory /srv/fast. Try: mkdir -p /srv/fast on box."
KEY = {"secretRef": {"name": "k"}}


class Api:
    """Pools `ceph` and `fast`, a directory, which host box does not reach."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        if resource is HOSTS:
            pools = [
                {"name": "fast", "state": "Unreachable", "message": BARRED},
                {"name": "ceph", "state": "Reachable"},
            ]
            return {"metadata": {"name": name}, "status": {"pools": pools}}
        assert resource is STORAGE_POOLS
        spec = {"rbd": {"pool": "quantix"}} if name == "ceph" else {"dir": {"path": "/srv/fast"}}
        return {"metadata": {"name": name}, "spec": spec, "status": {"hosts": 1, "conditions": [READY]}}


def volume(pool: str, **spec: Any) -> Manifest:
    status = {"pool": pool, "host": "box", "data": "Present"}
    return {"metadata": {"name": "files", "namespace": "shop"}, "spec": spec, "status": status}


async def refusal(moved: Manifest, vm_host: str, pool: str) -> str:
    try:
        await refuse_move(qx_session(Api(), namespace="shop"), moved, vm_host, pool)
    except CommandError as refused:
        return str(refused) if refused.exit_code == Exit.REFUSED else f"exit code {refused.exit_code}"
    return ""


@pytest.mark.parametrize(
    ("moved", "vm_host", "pool", "said"),
    [
        (volume("fast"), "box", "ceph", ""),
        (
            volume("fast", encryption=KEY),
            "",
            "ceph",
            "Pool ceph is in Ceph, where volumes cannot be encrypted yet (ConfigRefused).",
        ),
        # any host that reaches both may bring it, but of a VM that has a host that one alone
        (volume("ceph"), "", "fast", ""),
        (volume("ceph"), "box", "fast", "Nothing can go to pool fast: box has no directory /srv/fast."),
        (volume("local"), "", "fast", "Nothing can go to pool fast: box has no directory /srv/fast."),
    ],
)
async def test_what_the_operator_would_refuse_is_not_sent(
    moved: Manifest, vm_host: str, pool: str, said: str
) -> None:
    assert await refusal(moved, vm_host, pool) == said
