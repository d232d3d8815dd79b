"""The rules for volumes that move, are worked on or are being made hold together, and each is needed."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest

from quantix_lab.ha_model import idle_volume, made_volume, other_host, other_pool, whose_claim
from quantix_lab.ha_model.idle_volume import IdleVolume
from quantix_lab.ha_model.made_volume import MadeVolume
from quantix_lab.ha_model.other_host import OtherHost
from quantix_lab.ha_model.other_pool import OtherPool
from quantix_lab.ha_model.search import STUCK, Model, explore
from quantix_lab.ha_model.whose_claim import WhoseClaim

ToHost, ToPool = other_host.Rule, other_pool.Rule
Idle, Made, Whose = idle_volume.Rule, made_volume.Rule, whose_claim.Rule
MODELS: dict[type[Any], type[Any]] = {
    ToHost: OtherHost,
    ToPool: OtherPool,
    Idle: IdleVolume,
    Made: MadeVolume,
    Whose: WhoseClaim,
}
NEEDED = {
    ToHost.SOURCE_WRITES: other_host.OLD_DATA,
    ToHost.TARGET_WAITS_TO_BE_TOLD: other_host.OLD_DATA,
    ToHost.TARGET_CLAIMS_IN_ITS_POOL: STUCK,
    ToHost.HALF_KEPT_UNTIL_WORD: other_host.DATA_LOST,
    ToHost.WORD_BINDS: other_host.DATA_LOST,
    ToHost.DATA_KEPT_UNTIL_CLAIM_KNOWN: other_host.DATA_LOST,
    ToHost.ANSWER_IS_FOR_ONE_MOVE: other_host.DATA_LOST,
    ToPool.STANDS_STILL: other_pool.OLD_DATA,
    ToPool.DECIDED_AFTER_PIVOT: other_pool.OLD_DATA,
    ToPool.MOVED_ADMITS_NOBODY: other_pool.OLD_DATA,
    ToPool.PARTIAL_ADMITS_NOBODY: other_pool.OLD_DATA,
    ToPool.OLD_KEPT_UNTIL_MOVED: other_pool.OLD_DATA,
    ToPool.ITS_HOST_ALONE_JUDGES: STUCK,
    ToPool.FENCE_COVERS_BOTH: other_pool.TWO_WRITE,
    Idle.WORK_TAKES_CLAIM: idle_volume.TWO_WRITE,
    Idle.UID_TELLS_WHOSE: idle_volume.HALF_WORK,
    Idle.SCAN_FINDS_WORK: idle_volume.TWO_WRITE,
    Idle.FENCE_BEFORE_FREE: idle_volume.TWO_WRITE,
    Idle.ORDER_HAS_EPOCH: idle_volume.WORK_AGAIN,
    Idle.SPENT_IS_DONE: idle_volume.WORK_AGAIN,
    Idle.HALF_IS_MARKED: idle_volume.HALF_WORK,
    Idle.ADOPT_CLAIM: STUCK,
    Made.DRAFT_HAS_OWN_NAME: made_volume.TWO_WRITE,
    Made.CLAIM_BY_EXCLUSIVE_CREATE: made_volume.TWO_WRITE,
    Made.CLAIM_BEFORE_NAME: STUCK,
    Made.RENAME_NEVER_REPLACES: made_volume.OVERWRITTEN,
    Made.ANY_MAKER_FINISHES: STUCK,
    Whose.COMPARES_VM: whose_claim.TWO_WRITE,
    Whose.COMPARES_CLUSTER: whose_claim.TWO_WRITE,
    Whose.EPOCH_ABOVE_FLOOR: STUCK,
}


def model_of(rules: type[Any], without: Any = None, disturbances: int = 3) -> Model[Hashable]:
    kept = frozenset(rule for rule in rules if rule is not without)
    model: Model[Hashable] = MODELS[rules](kept, disturbances)
    return model


@pytest.mark.parametrize("rules", MODELS, ids=[model.__name__ for model in MODELS.values()])
def test_a_volume_has_one_writer_its_newest_data_and_a_way_on_in(rules: type[Any]) -> None:
    outcome = explore(model_of(rules))
    assert outcome.broken is None, str(outcome)


@pytest.mark.soak
@pytest.mark.parametrize("rules", MODELS, ids=[model.__name__ for model in MODELS.values()])
def test_a_volume_has_one_writer_whatever_six_things_go_wrong_in(rules: type[Any]) -> None:
    outcome = explore(model_of(rules, disturbances=6))
    assert outcome.broken is None, str(outcome)


@pytest.mark.parametrize(
    ("rule", "invariant"), NEEDED.items(), ids=[f"{type(rule).__module__}-{rule.name}" for rule in NEEDED]
)
def test_without_a_rule_of_volumes_there_is_a_counterexample(rule: Any, invariant: str) -> None:
    outcome = explore(model_of(type(rule), without=rule))
    assert outcome.broken == invariant, str(outcome)


def test_each_rule_of_volumes_is_dropped_here() -> None:
    assert set(NEEDED) == {rule for rules in MODELS for rule in rules}
