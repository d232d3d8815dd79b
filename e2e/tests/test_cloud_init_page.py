"""The page about cloud-init with its example as it is; test_debian_guest types it for a guest with more."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_lab.cloud_init_page import reader
from quantix_lab.leftovers import taken_away
from quantix_lab.machine_view import MachineView


@pytest.mark.soak
def test_what_the_page_shows_is_what_machine_and_guest_answer(view: MachineView, tmp_path: Path) -> None:
    with taken_away(view):
        somebody = reader(view.machine, tmp_path)
        somebody.type_until_let_in()
        somebody.type_the_rest()
