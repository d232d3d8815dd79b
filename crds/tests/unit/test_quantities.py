"""Sizes and CPU amounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.errors import PermanentError
from quantix_api.quantities import counted, cpu_millis, format_cpu, format_size, human_size, size_bytes


@pytest.mark.parametrize(
    ("text", "number"),
    [("1k", 1000), ("10G", 10**10), ("512Mi", 512 * 2**20), ("10Gi", 10 * 2**30), ("3Pi", 3 * 2**50)],
)
def test_sizes_mean_bytes(text: str, number: int) -> None:
    assert size_bytes(text) == number


@pytest.mark.parametrize("text", ["", "0Gi", "10", "1.5Gi", "-1Gi", "10 Gi", "10gi", "10Gib", "1e3Mi"])
def test_what_the_api_refuses_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(PermanentError, match="10Gi"):
        size_bytes(text)


@given(st.integers(min_value=1, max_value=2**59))
def test_a_written_size_never_holds_less_and_is_exact_in_whole_kib_below_512_tib(number: int) -> None:
    back = size_bytes(format_size(number))
    assert 0 <= back - number < (1024 if number < 2**49 else 2**20)
    if number % 1024 == 0 and number < 2**49:
        assert back == number


def test_a_sum_beyond_the_largest_size_is_told_as_that() -> None:
    assert format_size(2 * size_bytes("999999999999Pi")) == "999999999999Pi"


def test_nothing_left_is_zero_both_ways() -> None:
    assert format_size(0) == "0"
    assert size_bytes("0") == 0


@pytest.mark.parametrize(("text", "millis"), [("2", 2000), ("1500m", 1500), ("500m", 500)])
def test_cpu_amounts_are_thousandths_of_a_cpu(text: str, millis: int) -> None:
    assert cpu_millis(text) == millis
    assert format_cpu(millis) == text


@pytest.mark.parametrize("text", ["", "0", "1.5", "m", "2cpu"])
def test_other_cpu_amounts_are_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="500m"):
        cpu_millis(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (512, "512 B"), (1536 * 2**20, "1.5 GiB"), (64 * 2**30, "64 GiB"), (3 * 2**30, "3 GiB")],
)
def test_sizes_for_people(number: int, text: str) -> None:
    assert human_size(number) == text


@pytest.mark.parametrize(("number", "told"), [(0, "0 VMs"), (1, "1 VM"), (2, "2 VMs"), (1200, "1,200 VMs")])
def test_things_are_counted_in_words(number: int, told: str) -> None:
    assert counted(number, "VM") == told
