"""Somebody who follows docs/cloud-init.md: has an SSH key and the image, types what the page shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantix_cli.debianimage.build import ensure_debian_image
from quantix_lab.checkout import CHECKOUT
from quantix_lab.debian_guest import make_key
from quantix_lab.machine import CACHE, Machine
from quantix_lab.transcript import exchanges
from quantix_lab.typist import Typist

EXAMPLE = CHECKOUT / "examples/cloud-init-server.yaml"
NAME = "server-1"
"""Its VM."""
_PAGE = CHECKOUT / "docs/cloud-init.md"
_BUILT = r"/var/cache/quantix/debian-image/[0-9a-f]+/debian\.qcow2"
_LOGIN = "(?<=qx vm ssh server-1 -- )"
_LET_IN = "until qx vm ssh"
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Reader:
    """At a machine, with the file of the private key."""

    typist: Typist
    key: Path

    def type_until_let_in(self) -> None:
        """From the image to the first command inside the guest. Raises AssertionError as Typist does."""
        for exchange in _ALL[:_SPLIT]:
            self.typist.type(exchange)

    def type_the_rest(self) -> None:
        """What comes after. Raises AssertionError as Typist does."""
        for exchange in _ALL[_SPLIT:]:
            self.typist.type(exchange)


def reader(machine: Machine, home: Path, example: Path = EXAMPLE) -> Reader:
    """One whose home directory is `home`; where the page has its example, `example` is typed."""
    folder = home / ".ssh"
    folder.mkdir(mode=0o700)
    key, _ = make_key(folder)
    places = {
        _BUILT: str(ensure_debian_image(CACHE)),
        # ssh looks for keys in the home of the password file, whatever $HOME says
        _LOGIN: f"-i {key} ",
        r"examples/cloud-init-server\.yaml": str(example),
    }
    return Reader(Typist(machine, home, places, _PATIENCE_S), key)


_ALL = tuple(exchanges(_PAGE.read_text()))
_SPLIT = next(number for number, one in enumerate(_ALL, 1) if one.command.startswith(_LET_IN))
