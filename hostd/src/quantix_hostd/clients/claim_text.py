"""Claims as they are stored, in every kind of pool. Used by the stores of claims only; pure."""

from __future__ import annotations

import json
from typing import Any

from quantix_api.message_table_phrases import NO_CLAIM
from quantix_api.messages import as_error
from quantix_hostd.claims import Claim, ClaimDamagedError, Holder


def render_claim(claim: Claim, **beside: object) -> str:
    """`beside`: what a store keeps with it for itself."""
    holder = {"host": claim.holder.host, "epoch": claim.holder.epoch} if claim.holder else None
    content: dict[str, object] = {
        **beside,
        "floor": claim.floor,
        "holder": holder,
        "vmUID": claim.vm_uid,
        "clusterUID": claim.cluster_uid,
    }
    optional = {
        "hasState": claim.has_state,
        "movingTo": claim.moving_to,
        "moved": claim.moved,
        "movedFrom": claim.moved_from,
        "partial": claim.partial,
        "restoring": claim.restoring,
        "untouched": claim.untouched,
        "restored": claim.restored,
        "memory": claim.memory,
    }
    content |= {name: value for name, value in optional.items() if value}
    content |= {"written": claim.written} if claim.written is not None else {}
    return json.dumps(content, sort_keys=True)


def parse_claim(content: bytes, shown: str) -> Claim:
    """`shown`: where it lies, for people. Raises ClaimDamagedError."""
    try:
        raw = json.loads(content)
        holder = raw["holder"]
        return Claim(
            _epoch(raw["floor"]),
            Holder(str(holder["host"]), _epoch(holder["epoch"])) if holder else None,
            str(raw["vmUID"]),
            str(raw["clusterUID"]),
            has_state=raw.get("hasState") is True,
            moving_to=str(raw.get("movingTo", "")),
            moved=raw.get("moved") is True,
            moved_from=str(raw.get("movedFrom", "")),
            partial=raw.get("partial") is True,
            restoring=str(raw.get("restoring", "")),
            untouched=raw.get("untouched") is True,
            restored=str(raw.get("restored", "")),
            written=_epoch(raw["written"]) if "written" in raw else None,
            memory=str(raw.get("memory", "")),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise as_error(ClaimDamagedError, "DataDamaged", path=shown, said=NO_CLAIM) from error


def _epoch(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value
