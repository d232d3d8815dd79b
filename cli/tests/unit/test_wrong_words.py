"""Words that come to nothing are refused before anything is made; questions say what is done."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.commands import power_questions
from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import Name, new_name
from quantix_cli.vm.wish import Choice, Wish, manifest


@pytest.mark.parametrize(("written", "near"), [("T_1", "t-1"), ("web-", "web"), ("a..b", "a..b"), ("_", "")])
def test_what_is_no_name_is_refused_in_words_with_one_that_is_near(written: str, near: str) -> None:
    with pytest.raises(CommandError) as refused:
        new_name(written, "vm")
    assert refused.value.exit_code is Exit.USAGE
    assert (
        refused.value.message == f"{written} is no name for a VM: those have lowercase letters, digits and -."
    )
    assert refused.value.hint == near


@pytest.mark.parametrize("written", ["web-1", "a.b", "7"])
def test_a_name_is_a_name(written: str) -> None:
    assert new_name(written, "volume") == Name(written)


def disk_of(size: str, virtual_size: str | None) -> Any:
    image = {"status": {"virtualSize": virtual_size}} if virtual_size else {}
    wish = Wish(image="shared/tiny", size=size, instance_type="small")
    return manifest("web-1", "default", wish, Choice(network="default", image=image))["spec"]["disks"][0]


def test_a_disk_smaller_than_its_image_is_refused() -> None:
    with pytest.raises(CommandError) as refused:
        disk_of("10Mi", "40Mi")
    assert refused.value.message == "--size 10MiB is too small: shared/tiny has 40MiB."
    assert refused.value.hint == "--size 40MiB or more, or leave it out"


@pytest.mark.parametrize("virtual_size", ["10Mi", None], ids=["as large", "not known yet"])
def test_a_disk_that_may_be_large_enough_is_made(virtual_size: str | None) -> None:
    assert disk_of("10Mi", virtual_size)["size"] == "10Mi"


def test_each_way_of_force_has_a_question_of_its_own() -> None:
    assert "plug" in power_questions.BY_FORCE["stop"]
    assert power_questions.BY_FORCE["reset"] == "Press the reset button?"
