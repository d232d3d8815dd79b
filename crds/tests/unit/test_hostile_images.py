"""The corpus of hostile images against our own look at a file, which comes before any tool's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.disk_image import HEAD_BYTES, ImageFacts, ImageFormat, inspect_image
from quantix_api.errors import PermanentError
from quantix_lab.hostile_images import (
    HARMLESS_IMAGES,
    HOSTILE_IMAGES,
    MAX_VIRTUAL_SIZE,
    HostileImage,
    Refuser,
)
from quantix_lab.qcow2_file import CLUSTER, Qcow2File, extension

_OURS = [image for image in HOSTILE_IMAGES if image.by is Refuser.CHECK]
_QEMUS = [image for image in HOSTILE_IMAGES if image.by is Refuser.QEMU]
_DATA_FILE_NAME = 0x44415441
_NAMED = Qcow2File(extensions=extension(0x6803F857, b"/etc/shadow".ljust(48, b"\0"))).content()


@pytest.mark.parametrize("image", _OURS, ids=[image.name for image in _OURS])
def test_a_hostile_image_is_refused_by_its_beginning(image: HostileImage) -> None:
    with pytest.raises(PermanentError) as caught:
        inspect_image(image.content[:HEAD_BYTES], len(image.content), image.wanted, MAX_VIRTUAL_SIZE)
    assert caught.value.reason == "ImageRefused"
    assert image.says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("image", _QEMUS, ids=[image.name for image in _QEMUS])
def test_what_only_the_tables_tell_is_left_to_qemu(image: HostileImage) -> None:
    head = image.content[:HEAD_BYTES]
    facts = inspect_image(head, len(image.content), image.wanted, MAX_VIRTUAL_SIZE)
    assert facts.format is ImageFormat.QCOW2


@pytest.mark.parametrize("name", HARMLESS_IMAGES)
def test_what_only_looks_odd_passes(name: str) -> None:
    content = HARMLESS_IMAGES[name]
    inspect_image(content[:HEAD_BYTES], len(content), "Auto", MAX_VIRTUAL_SIZE)


def test_the_corpus_says_of_each_image_what_it_is() -> None:
    names = [image.name for image in HOSTILE_IMAGES]
    assert len(set(names)) == len(names)
    assert all(image.says for image in HOSTILE_IMAGES)


_CHANGES = st.lists(st.tuples(st.integers(4, 200), st.binary(min_size=1, max_size=8)), max_size=6)


@given(_CHANGES, st.integers(0, len(_NAMED)), st.sampled_from(("Auto", "Qcow2", "Raw", "ISO")))
def test_a_header_that_anybody_changed_is_taken_only_when_it_names_nothing(
    changes: list[tuple[int, bytes]], length: int, wanted: str
) -> None:
    content = bytearray(_NAMED)
    for offset, piece in changes:
        content[offset : offset + len(piece)] = piece
    taken = bytes(content[:length]) if length % 3 == 0 else bytes(content)
    facts = judged(taken, wanted)
    if facts is None:
        return
    assert 0 < facts.virtual_size_bytes <= MAX_VIRTUAL_SIZE
    if facts.format is ImageFormat.QCOW2:
        assert names_of(taken) == []


def judged(content: bytes, wanted: str) -> ImageFacts | None:
    """What the file is found to be; None when it is refused. Whatever else is raised fails the test."""
    try:
        return inspect_image(content[:HEAD_BYTES], len(content), wanted, MAX_VIRTUAL_SIZE)
    except PermanentError:
        return None


def names_of(content: bytes) -> list[str]:
    """What the header refers to outside of the file, read a second time and in another way."""
    found = ["backing file"] if any(content[8:16]) else []
    version = content[7]
    if version == 3 and content[79] & 4:
        found.append("data file")
    at = 72 if version == 2 else int.from_bytes(content[100:104], "big")
    while at + 8 <= min(len(content), CLUSTER):
        kind, size = (int.from_bytes(content[at + skip : at + skip + 4], "big") for skip in (0, 4))
        if kind == 0:
            break
        found += ["name of a data file"] if kind == _DATA_FILE_NAME else []
        at += 8 + (size + 7) // 8 * 8
    return found


@given(st.binary(max_size=300), st.sampled_from(("Auto", "Qcow2", "Raw", "ISO")))
def test_no_file_at_all_brings_the_check_down(content: bytes, wanted: str) -> None:
    assert judged(content, wanted) is None or content
