"""What docs/cloud-init.md shows as typed and answered, typed: a real guest sets itself up meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_cli.debianimage.build import ensure_debian_image
from quantix_lab.checkout import CHECKOUT
from quantix_lab.debian_guest import make_key
from quantix_lab.leftovers import taken_away
from quantix_lab.machine import CACHE
from quantix_lab.machine_view import MachineView
from quantix_lab.transcript import exchanges
from quantix_lab.typist import Typist

PAGE = CHECKOUT / "docs/cloud-init.md"
BUILT = r"/var/cache/quantix/debian-image/[0-9a-f]+/debian\.qcow2"
LOGIN = "(?<=qx vm ssh server-1 -- )"


@pytest.fixture
def typist(view: MachineView, tmp_path: Path) -> Iterator[Typist]:
    """A person who has an SSH key, and has built the image."""
    folder = tmp_path / ".ssh"
    folder.mkdir(mode=0o700)
    private, _ = make_key(folder)
    for path in (private, private.with_suffix(".pub")):
        path.rename(folder / path.name.replace("key", "id_ed25519"))
    # ssh looks for keys in the home of the password file, whatever $HOME says
    places = {BUILT: str(ensure_debian_image(CACHE)), LOGIN: f"-i {folder}/id_ed25519 "}
    with taken_away(view):
        yield Typist(view.machine, tmp_path, places, patience_s=300)


def test_what_the_page_shows_is_what_machine_and_guest_answer(typist: Typist) -> None:
    for exchange in exchanges(PAGE.read_text()):
        typist.type(exchange)
