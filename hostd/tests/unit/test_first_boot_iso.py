"""The image of first-boot settings: readable, and the same to the byte whenever and wherever it is made."""

from __future__ import annotations

import io
import time

import pycdlib
import pytest

from quantix_hostd.firstboot.iso import render_iso

_FILES = {"meta-data": b"instance-id: 1\n", "user-data": b"#cloud-config\n", "network-config": b""}


def read(image: bytes) -> dict[str, bytes]:
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    files = {}
    for child in iso.list_children(joliet_path="/"):
        if child.is_file():
            name = child.file_identifier().decode("utf-16_be")
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, joliet_path=f"/{name}")
            files[name] = content.getvalue()
    iso.close()
    return files


def test_every_file_is_read_back_under_its_own_name() -> None:
    assert read(render_iso("cidata", _FILES)) == _FILES


def test_the_label_is_what_cloud_init_looks_for() -> None:
    image = render_iso("cidata", _FILES)
    assert image[16 * 2048 + 40 : 16 * 2048 + 72].rstrip() == b"cidata"


def test_time_and_time_zone_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    first = render_iso("cidata", _FILES)
    time.sleep(1.1)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        second = render_iso("cidata", dict(reversed(_FILES.items())))
    time.tzset()
    assert second == first


def test_other_content_is_another_image() -> None:
    assert render_iso("cidata", _FILES) != render_iso("cidata", _FILES | {"user-data": b"#!/bin/sh\n"})
