"""What a program can reach that looks at images: tried from inside by programs that want out."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_api.accounts import IMAGE_USER, QEMU_USER
from quantix_hostd.clients.command import CommandResult, run
from quantix_hostd.clients.image_account import ImageAccount
from quantix_hostd.clients.sandbox import Limits, Sandbox, View
from quantix_lab.qcow2_file import Qcow2File

_ACCOUNT = ImageAccount.look_up(IMAGE_USER, QEMU_USER)
_LIMITS = Limits(memory_bytes=512 << 20, cpu_s=5)
_SECRET = "the volume of another"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that everybody may read, in directories that everybody passes."""
    path = tmp_path / "secret"
    path.write_text(_SECRET)
    path.chmod(0o444)
    return path


@pytest.fixture
def image(tmp_path: Path, secret: Path) -> Path:
    """A qcow2 that names the secret as its backing file: what our own check would have refused."""
    path = tmp_path / "image"
    path.write_bytes(Qcow2File(l2=(), backing_offset=1024, backing=str(secret).encode()).content())
    _ACCOUNT.files.give(path)
    path.chmod(0o440)
    return path


@pytest.fixture
def loopback() -> Iterator[int]:
    """The port of a server on the loopback of the host."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


async def inside(image: Path, *program: str, limits: Limits = _LIMITS, **writable: Path) -> CommandResult:
    view = View({"/image": image}, {f"/{name}": path for name, path in writable.items()})
    return await run(*Sandbox(_ACCOUNT).argv(program, view, limits), timeout_s=30, check=False)


async def test_an_image_that_names_a_file_of_the_host_does_not_get_it(image: Path, secret: Path) -> None:
    read = ("qemu-io", "-r", "-f", "qcow2", "-c", "read -v 0 512", "/image")
    locked = await inside(image, *read)
    assert locked.code != 0
    assert f"Could not open '{secret}': No such file or directory" in locked.stderr
    outside = await run(*read[:-1], str(image))
    assert _SECRET.split()[0] in outside.stdout


async def test_nothing_of_the_host_is_seen_but_programs_and_the_image(image: Path, secret: Path) -> None:
    listed = await inside(image, "ls", "/")
    assert set(listed.stdout.split()) == {"bin", "dev", "image", "lib", "lib64", "usr"}
    for path in (secret, Path("/proc/1/environ"), Path("/etc/passwd"), Path("/var/lib"), Path("/dev/kvm")):
        assert "No such file" in (await inside(image, "cat", str(path))).stderr, path


async def test_the_loopback_of_the_host_is_not_reached(image: Path, loopback: int) -> None:
    ask = f"exec 3<>/dev/tcp/127.0.0.1/{loopback} && echo reached"
    assert "reached" in (await run("bash", "-c", ask)).stdout
    locked = await inside(image, "bash", "-c", ask)
    assert "reached" not in locked.stdout
    assert "Network is unreachable" in locked.stderr or "Connection refused" in locked.stderr


async def test_it_is_a_user_who_reads_images_and_no_volumes_without_a_way_back(image: Path) -> None:
    told = await inside(image, "id")
    assert f"uid={_ACCOUNT.uid} gid={_ACCOUNT.gid} groups={_ACCOUNT.gid}" in told.stdout
    assert (await inside(image, "setpriv", "--dump")).stdout.count("none") >= 2
    assert "no_new_privs: 1" in (await inside(image, "setpriv", "--dump")).stdout
    assert (await inside(image, "setpriv", "--reuid=0", "id")).code != 0
    assert (await inside(image, "unshare", "--mount", "id")).code != 0


async def test_the_image_cannot_be_written_nor_anything_beside_it(image: Path) -> None:
    for path in ("/image", "/new", "/usr/new", "/bin/new"):
        assert (await inside(image, "bash", "-c", f"echo x >> {path}")).code != 0, path
    assert (await inside(image, "chmod", "0666", "/image")).code != 0


async def test_memory_cpu_and_the_length_of_files_have_an_end(image: Path, tmp_path: Path) -> None:
    hungry = await inside(image, "dd", "if=/image", "of=/dev/null", "bs=600M", "count=1")
    assert "memory exhausted" in hungry.stderr
    busy = await inside(image, "bash", "-c", "while :; do :; done", limits=Limits(1 << 30, 1))
    assert busy.code == 128 + 24
    disk = tmp_path / "disk"
    disk.touch()
    disk.chmod(0o666)
    long = Limits(1 << 30, 5, file_bytes=4096)
    await inside(image, "bash", "-c", "head -c 9000 /usr/bin/qemu-img > /disk", limits=long, disk=disk)
    assert disk.stat().st_size == 4096
