"""Ctrl-C in a real `qx` at a real terminal: at a question, and while the cluster works."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from quantix_lab.kubeconfig import write_kubeconfig

pytestmark = pytest.mark.usefixtures("heeded_interrupt")

_CTRL_C = b"\x03"
VM: dict[str, Any] = {
    "apiVersion": "quantix.io/v1alpha1",
    "kind": "VirtualMachine",
    "metadata": {"name": "web-1", "namespace": "default", "uid": "u-1", "generation": 1},
    "spec": {},
}
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Api:
    """One VM, whatever is asked for; counts what was written."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.asked = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        if request.method in _WRITES:
            self.written.append(request.method)
            self.asked.set()
        one = request.method != "GET" or request.path.endswith("/web-1")
        vms = request.path.endswith("/virtualmachines")
        return web.json_response(VM if one else {"metadata": {}, "items": [VM] if vms else []})


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Api, Path]]:
    """An API and its kubeconfig."""
    api, application = Api(), web.Application()
    application.router.add_route("*", "/{path:.*}", api.answer)
    async with TestServer(application) as server:
        yield api, write_kubeconfig(folder / "kubeconfig", str(server.make_url("")).rstrip("/"))


class Typed:
    """`qx` at a terminal of its own, which is its controlling one: Ctrl-C comes from there."""

    def __init__(self, kubeconfig: Path, *words: str) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        own = {**inherited, "LANG": "C.UTF-8", "QUANTIX_KUBECONFIG": str(kubeconfig)}
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execve(sys.executable, [sys.executable, "-m", "quantix_cli.main", *words], own)
        self.shown = ""

    async def until(self, text: str) -> None:
        """Until it is shown; at most 20 s."""
        async with asyncio.timeout(20):
            while text not in self.shown:
                self.shown += await asyncio.to_thread(self._read)

    def press(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    async def end(self) -> int:
        """Its exit code; it has 5 s."""
        try:
            async with asyncio.timeout(5):
                # what it still shows has to be taken from it
                while piece := await asyncio.to_thread(self._read):
                    self.shown += piece
        except TimeoutError:
            os.kill(self._pid, 9)
            raise
        finally:
            _, status = await asyncio.to_thread(os.waitpid, self._pid, 0)
            os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> str:
        try:
            return os.read(self._terminal, 4096).decode()
        except OSError:
            # how a terminal says that nobody writes to it any more
            return ""


@pytest.mark.parametrize("command", ["vm delete web-1", "vm stop web-1 --now", "vm detach web-1 root"])
async def test_ctrl_c_at_a_question_ends_it_at_once(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = {"disks": [{"name": "root", "size": "1Gi", "boot": 1}]}
    monkeypatch.setitem(VM, "spec", running)
    monkeypatch.setitem(VM, "status", {"runtime": {"domain": "Present"}, "assignment": {"host": "h1"}})
    async with serving(tmp_path) as (api, kubeconfig):
        qx = Typed(kubeconfig, *command.split())
        await qx.until("[y/N] ")
        qx.press(_CTRL_C)
        assert await qx.end() == 130
    *_, question, said = qx.shown.splitlines()
    assert "[y/N]" in question
    assert said == "Nothing was changed."
    assert api.written == []


@pytest.mark.parametrize(("namespace", "place"), [("default", ""), ("shop", "-n shop ")])
async def test_ctrl_c_while_the_cluster_works_says_that_it_goes_on_and_how_to_look(
    namespace: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VM, "metadata", {**VM["metadata"], "namespace": namespace})
    async with serving(tmp_path) as (api, kubeconfig):
        qx = Typed(kubeconfig, "vm", "stop", "web-1", "-n", namespace)
        async with asyncio.timeout(20):
            await api.asked.wait()
        qx.press(_CTRL_C)
        assert await qx.end() == 130
    said, hint = qx.shown.splitlines()[-2:]
    assert said == "Stopped watching; what was begun goes on in the cluster."
    assert hint == f"Try: qx vm explain {place}web-1"


async def test_ctrl_c_in_an_upload_says_how_it_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VM, "spec", {"upload": {}})
    monkeypatch.setitem(VM, "status", {"conditions": [{"type": "Ready", "message": "No host has it yet."}]})
    file = tmp_path / "disk.raw"
    file.write_bytes(bytes(510) + b"\x55\xaa" + bytes(512))
    async with serving(tmp_path) as (api, kubeconfig):
        qx = Typed(kubeconfig, "image", "upload", str(file), "--name", "web-1")
        await qx.until("No host has it yet")
        qx.press(_CTRL_C)
        assert await qx.end() == 130
    said = " ".join(qx.shown.split())
    assert f"Stopped sending. Image web-1 stays without content: qx image upload {file} --name web-1" in said
    assert "in the cluster" not in said
    assert api.written == []
