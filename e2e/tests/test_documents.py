"""What the README and the pages of docs/ show as typed and answered, typed: on a fresh machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_cli.guestimage.build import ensure_image
from quantix_lab.checkout import CHECKOUT
from quantix_lab.guest_console import wait_booted
from quantix_lab.leftovers import taken_away
from quantix_lab.machine import CACHE
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.transcript import exchanges
from quantix_lab.typist import Typist

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
ELSEWHERE = {"cloud-init", "images"}
"""Pages that other modules type."""
_UNPLUGS = re.compile(r"qx vm detach (\S+)")
TYPED = [page for page in PAGES if any(exchanges(page.read_text())) and page.stem not in ELSEWHERE]


@pytest.fixture
def typist(view: MachineView, web: Manifest, tmp_path: Path) -> Iterator[Typist]:
    """A person at the machine, with disks from other platforms; what they leave behind is deleted."""
    disks = {"old-1.vmdk": "vmdk", "old-web.qcow2": "qcow2"}
    for name, driver in disks.items():
        convert = ["qemu-img", "convert", "-O", driver, str(ensure_image(CACHE)), str(tmp_path / name)]
        subprocess.run(convert, check=True, capture_output=True, timeout=60)
    with taken_away(view):
        yield Typist(view.machine, tmp_path)
        view.patch_whole("vm", web["metadata"]["name"], web["spec"])
    # where pages have pools
    shutil.rmtree(view.machine.root / "srv", ignore_errors=True)


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.stem)
def test_what_a_page_shows_is_what_the_machine_answers(page: Path, typist: Typist, view: MachineView) -> None:
    for exchange in exchanges(page.read_text()):
        unplugged = _UNPLUGS.match(exchange.command)
        if unplugged is not None:
            # no person is as fast as this one: a guest that boots still lets go of nothing
            wait_booted(view, unplugged[1])
        typist.type(exchange)
