"""Which tests are run by one worker: the table names files that there are, and all that share the sources."""

from pathlib import Path, PurePosixPath

import pytest

from quantix_lab.checkout import CHECKOUT
from quantix_lab.side_by_side import TOGETHER, group_of, place_of

SOURCES = "the sources as syntax trees"
READERS = ("quantix_lab.source_trees", "quantix_lab.literal_sentences")


def relative(path: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("pattern", [pattern for patterns in TOGETHER.values() for pattern in patterns])
def test_a_pattern_names_files_that_there_are(pattern: str) -> None:
    assert list(CHECKOUT.glob(pattern))


def test_tests_that_read_the_sources_are_one_group() -> None:
    units = [path for path in CHECKOUT.glob("*/tests/unit/**/test_*.py") if path != Path(__file__)]
    readers = [path for path in units if any(name in path.read_text() for name in READERS)]
    assert len(readers) > 5
    assert {group_of(relative(path)) for path in readers} == {SOURCES}


def test_a_file_that_shares_nothing_is_a_group_of_its_own_and_comes_after_those_of_the_table() -> None:
    alone = relative(Path(__file__))
    assert group_of(alone) == str(alone)
    places = {
        place_of(relative(path)) for patterns in TOGETHER.values() for path in CHECKOUT.glob(patterns[0])
    }
    assert max(places) < place_of(alone)
