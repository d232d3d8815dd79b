"""The Debian image: whose mirror, the boot record, the key of a build, and what must not be in it."""

from __future__ import annotations

import os
import struct

import pytest

from quantix_api.errors import PermanentError
from quantix_cli.debianimage import build, disk, mirror
from quantix_cli.up.prepare import packages

TARGETS = """\
http://mirror.example/security/ bookworm-security main
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
http://mirror.example/debian/ bookworm-updates main
http://other.example/tool/ stable main
"""


def test_debian_13_comes_from_where_the_machines_own_packages_come_from() -> None:
    assert mirror.render_sources(TARGETS, "bookworm") == [
        "deb http://mirror.example/debian/ trixie main",
        "deb http://mirror.example/debian/ trixie-updates main",
        "deb http://mirror.example/security/ trixie-security main",
    ]


def test_a_machine_without_an_archive_of_security_updates_gives_none() -> None:
    assert mirror.render_sources("http://m.example/ trixie main\n", "trixie") == [
        "deb http://m.example/ trixie main"
    ]


@pytest.mark.parametrize("codename", ["", "sid"])
def test_a_machine_whose_own_release_apt_does_not_know_is_told_so(codename: str) -> None:
    with pytest.raises(PermanentError) as refused:
        mirror.render_sources(TARGETS, codename)
    assert refused.value.reason == "GuestImageFailed"


def test_the_codename_is_read_with_and_without_quotes() -> None:
    assert mirror.machine_codename('ID=debian\nVERSION_CODENAME="bookworm"\n') == "bookworm"
    assert mirror.machine_codename("ID=debian\nVERSION_CODENAME=trixie\n") == "trixie"
    assert mirror.machine_codename("ID=debian\n") == ""


def test_the_boot_record_names_a_partition_for_uefi_and_an_active_one_that_can_grow() -> None:
    record = disk.render_boot_record(b"\x90" * 512)
    assert len(record) == 512
    assert (record[:440], record[510:]) == (b"\x90" * 440, b"\x55\xaa")
    entries = [struct.unpack("<B3xB3xII", record[offset : offset + 16]) for offset in (446, 462, 478, 494)]
    mib = 1024**2 // 512
    assert entries == [(0, 0xEF, mib, 16 * mib), (0x80, 0x83, 17 * mib, 2048 * mib), (0,) * 4, (0,) * 4]


def test_every_file_of_ours_counts_for_the_key() -> None:
    ours = [path for path in build.FILES.rglob("*") if path.is_file()]
    assert len(ours) > 8
    assert len(build.source_key()) == 16
    assert all(os.access(path, os.X_OK) for path in ours if path.read_bytes().startswith(b"#!"))


def test_no_user_needs_what_the_image_is_built_with() -> None:
    assert not {"mmdebstrap", "grub-pc-bin"} & set(packages.PACKAGES)
    assert {"mmdebstrap", "grub-pc-bin"} <= set(packages.TEST_PACKAGES)


def test_the_guest_can_be_logged_into_by_key_alone() -> None:
    settings = (build.FILES / "tree/etc/ssh/sshd_config.d/50-quantix.conf").read_text()
    assert "PasswordAuthentication no" in settings
