"""The notes of what was sent for volumes: whatever is on the disk, hostd starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.sent_files import SentFile, SentFiles
from quantix_lab.one_volume import OneVolume
from quantix_lab.open_sandbox import OpenSandbox

NOTED = SentFile("default/data", "pool-1", Path("/pool"))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"a": 1}', '{"a": ["x"]}', "[" * 100_000, '"' + "x" * (17 << 20) + '"']
)
def test_what_is_no_notes_is_read_as_none_and_written_over(tmp_path: Path, content: str) -> None:
    file = tmp_path / "sent-files.json"
    file.write_text(content)
    notes = SentFiles(file)
    assert notes.read() == {}
    notes.note("uid-1", NOTED)
    assert notes.read() == {"uid-1": NOTED}


async def test_hostd_starts_where_its_notes_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = OneVolume(tmp_path, QemuImg(OpenSandbox()))
    Layout(tmp_path).sent_files.mkdir(parents=True)
    await volume.uploads.remember()
    assert "what was sent for volumes is not known" in capsys.readouterr().out
