"""The table of state words, shared with the dashboard."""

import json
from pathlib import Path
from typing import Any

import pytest

from quantix_api.state import StateWord, state_word

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("state_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_state_word(case: dict[str, Any]) -> None:
    assert state_word(case["object"], case["leaseAgeSeconds"]) == StateWord(
        case["word"], case["glyph"], case["colour"]
    )
