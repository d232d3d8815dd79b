"""An image is for a disk or for a drive: qx says so where the image's status tells which."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.exits import CommandError, Exit
from quantix_cli.vm.media import refuse_disk, refuse_medium


def image(found: str | None, said: str = "Auto") -> dict[str, Any]:
    return {"spec": {"format": said}, "status": {"format": found} if found else {}}


@pytest.mark.parametrize("found", [image("Qcow2"), image("Qcow2", "Qcow2"), image("Raw")])
def test_a_disk_is_no_medium(found: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"shared/tiny is a disk \((Qcow2|Raw)\), not a medium") as refused:
        refuse_disk(found, "shared/tiny")
    assert refused.value.exit_code is Exit.USAGE
    assert "--image shared/tiny" in refused.value.hint


@pytest.mark.parametrize("found", [image("ISO"), image(None), image("Raw", "Raw")])
def test_a_medium_and_what_may_be_one_are_taken(found: dict[str, Any]) -> None:
    refuse_disk(found, "installer")


def test_a_medium_is_no_disk() -> None:
    with pytest.raises(CommandError, match="debian-iso is a medium, not a disk"):
        refuse_medium(image("ISO"), "debian-iso")
    refuse_medium(image("Qcow2"), "debian")
