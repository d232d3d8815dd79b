"""The guest image's pure parts: the archive's bytes, the boot sector, the key of a build."""

import gzip
import subprocess
from pathlib import Path

from quantix_cli.guestimage import archive, build, disk

PROGRAMS = {"bin/busybox": b"busybox", "lib64/loader": b"loader"}


def test_an_archive_is_read_back_by_cpio(tmp_path: Path) -> None:
    entries = [archive.directory("etc"), archive.regular("etc/start", b"hello", 0o755)]
    entries.append(archive.symlink("init", "bin/busybox"))
    content = gzip.decompress(archive.render_archive(entries))
    subprocess.run(
        ["cpio", "-i", "--quiet", "-d", "--no-absolute-filenames"], input=content, cwd=tmp_path, check=True
    )
    assert (tmp_path / "etc/start").read_bytes() == b"hello"
    assert (tmp_path / "etc/start").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "init").readlink() == Path("bin/busybox")


def test_the_same_files_give_the_same_archive() -> None:
    modules = {"virtio": b"one", "virtio_net": b"two"}
    assert build.render_initramfs(PROGRAMS, modules) == build.render_initramfs(PROGRAMS, modules)


def test_the_order_of_modules_is_kept_for_the_guest() -> None:
    content = gzip.decompress(build.render_initramfs(PROGRAMS, {"virtio_ring": b"1", "virtio": b"2"}))
    assert b"virtio_ring\nvirtio\n" in content


def test_every_file_of_the_guest_has_its_folders_before_it() -> None:
    content = gzip.decompress(build.render_initramfs(PROGRAMS, {"virtio": b"1"}))
    listed = subprocess.run(["cpio", "-t", "--quiet"], input=content, capture_output=True, check=True)
    paths = [Path(line) for line in listed.stdout.decode().splitlines()]
    for place, path in enumerate(paths):
        assert set(path.parents) - {Path()} <= set(paths[:place]), path
    assert {Path("proc"), Path("lib64/loader"), Path("var/lib/dhcpv6")} <= set(paths)


def test_a_program_is_found_where_debian_moved_it(tmp_path: Path) -> None:
    for folder, content in (("bin", b"12"), ("usr/bin", b"13")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "busybox").write_bytes(content)
        assert build.read_program(tmp_path, "bin/busybox") == content


def test_the_boot_sector_names_one_active_partition_that_fills_the_disk() -> None:
    sector = disk.render_boot_sector(b"\x90" * 440)
    assert len(sector) == 512
    assert sector[510:] == b"\x55\xaa"
    assert sector[446] == 0x80
    start, length = (int.from_bytes(sector[offset : offset + 4], "little") for offset in (454, 458))
    assert (start + length) * disk.SECTOR_BYTES == disk.DISK_BYTES
    assert sector[462:510] == b"\0" * 48


def test_another_version_of_a_package_is_another_build() -> None:
    assert build.package_key(["Version: 1"]) != build.package_key(["Version: 2"])
    assert build.package_key(["a", "b"]) == build.package_key(["b", "a"])


def test_an_image_of_the_same_sources_is_used_without_asking_for_packages(tmp_path: Path) -> None:
    image = tmp_path / "guest-image" / f"{build.source_key()}-older" / build.IMAGE_NAME
    image.parent.mkdir(parents=True)
    image.touch()
    assert build.ensure_image(tmp_path) == image
