"""What to do about a reason: the form of one entry of the tables `advice_*`, and the tables put together."""

from __future__ import annotations

from quantix_api.conditions import TABLE as CONDITIONS
from quantix_api.documentation.advice_balance import BALANCE_ADVICE
from quantix_api.documentation.advice_entry import Advice
from quantix_api.documentation.advice_host import HOST_ADVICE
from quantix_api.documentation.advice_migration import MIGRATION_ADVICE
from quantix_api.documentation.advice_network import NETWORK_ADVICE
from quantix_api.documentation.advice_refusals import REFUSAL_ADVICE
from quantix_api.documentation.advice_snapshot import SNAPSHOT_ADVICE
from quantix_api.documentation.advice_storage import STORAGE_ADVICE
from quantix_api.documentation.advice_vm import VM_ADVICE
from quantix_api.messages import TABLE as MESSAGES

ADVICE: dict[str, Advice] = {
    **VM_ADVICE,
    **STORAGE_ADVICE,
    **NETWORK_ADVICE,
    **HOST_ADVICE,
    **MIGRATION_ADVICE,
    **BALANCE_ADVICE,
    **SNAPSHOT_ADVICE,
    **REFUSAL_ADVICE,
}
NEWS = frozenset(
    {
        "Adopted",
        "BalancerMoves",
        "ConsoleOpened",
        "HotPlugged",
        "HotUnplugged",
        "Joins",
        "MemoryGivenBack",
        "Migrated",
        "MigrationCancelled",
        "MigrationStarted",
        "MoveRecommended",
        "Moved",
        "Moves",
        "Renews",
        "RestoreDone",
        "Scheduled",
        "Serves",
        "SnapshotTaken",
        "Connects",
        "VolumeResized",
    }
)
"""Reasons of events that only tell what was done."""
_REFUSALS = ("refusal", "client")
_TRUE_AND_TO_DO = {"RestartRequired"}


def reasons_that_are_well() -> frozenset[str]:
    """Reasons that ask for nothing: those of conditions that are True, and news. Some also stand for a matter
    under another condition: those have advice, too.
    """
    return frozenset(reason for row in CONDITIONS for reason in row.true) | NEWS


def reasons_to_advise() -> frozenset[str]:
    """Reasons that somebody may want to end: those of conditions that are not True, of refusals, and the rest
    that is no news.
    """
    otherwise = {reason for row in CONDITIONS for reason in row.otherwise}
    said = frozenset(template.reason for template in MESSAGES)
    refused = {template.reason for template in MESSAGES if template.where in _REFUSALS}
    return (said & (otherwise | refused | _TRUE_AND_TO_DO)) | (said - reasons_that_are_well())
