"""What is done about a qemu-img that ends in a way which says nothing of the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quantix_hostd.clients.command import CommandFailed
from quantix_hostd.clients.qemu_img import CPU_S, WALL_S, Disk, QemuImg
from quantix_lab.open_sandbox import OpenSandbox

_UNMEASURED = "qemu-img: data: Unable to get accurate CPU usage"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A qemu-img that fails as often as `failures` has lines, with the next of them, and notes each run."""
    program, noted = tmp_path / "qemu-img", tmp_path / "runs"
    program.write_text(
        f'#!/bin/sh\necho "run with $(ulimit -t) s" >> {noted}\n'
        f'said=$(sed -n "$(wc -l < {noted})p" {tmp_path}/failures)\n'
        '[ -z "$said" ] || { echo "$said" >&2; exit 1; }\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(os, "defpath", f"{tmp_path}:{os.defpath}")
    return noted


async def create(folder: Path, *failures: str) -> None:
    (folder / "failures").write_text("".join(f"{line}\n" for line in failures))
    await QemuImg(OpenSandbox()).create(Disk(folder, folder / "data", passphrase="p"), 1 << 20)


async def test_a_disk_is_made_again_where_its_speed_could_not_be_measured(runs: Path, tmp_path: Path) -> None:
    await create(tmp_path, _UNMEASURED, _UNMEASURED)
    assert len(runs.read_text().splitlines()) == 3


@pytest.mark.parametrize(("said", "tried"), [(_UNMEASURED, 5), ("qemu-img: data: Permission denied", 1)])
async def test_it_is_tried_few_times_and_nothing_else_is(
    runs: Path, tmp_path: Path, said: str, tried: int
) -> None:
    with pytest.raises(CommandFailed):
        await create(tmp_path, *[said] * 9)
    assert len(runs.read_text().splitlines()) == tried


async def test_a_disk_is_made_in_so_much_cpu_time_however_long_that_takes(runs: Path, tmp_path: Path) -> None:
    """LUKS takes 4 s of it; on a starved host that was more than the 30 s that it had."""
    await create(tmp_path)
    assert runs.read_text() == f"run with {CPU_S} s\n"
    assert WALL_S >= 10 * CPU_S
