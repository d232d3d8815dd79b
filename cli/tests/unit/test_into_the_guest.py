"""The ways into a guest: ssh with what the API says of it, and its screen at a port of this machine."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web
from aiohttp.test_utils import TestServer

from quantix_api.image import USER_PATTERN
from quantix_cli.commands import ssh
from quantix_cli.commands.ssh import Guest, guest_of, ssh_words
from quantix_cli.exits import CommandError, Exit
from quantix_cli.hostd import HostApi
from quantix_cli.loopback import find_owner, owner_of
from quantix_cli.options import Invocation
from quantix_cli.screens import Screen
from quantix_cli.settings import read_settings
from quantix_cli.ways_in import Gate
from quantix_lab.qx_session import PIPE

UID = "6c1e0a52-7d6b-4a0a-9a53-0f5f0a3a1b77"
ROWS = [
    "   0: 0100007F:170D 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1",
    "   1: 0100007F:C350 0100007F:170D 01 00000000:00000000 00:00000000 00000000  1000        0 2",
]


def vm(**status: Any) -> dict[str, Any]:
    said = {"assignment": {"host": "h1"}, "addresses": ["10.77.0.61"], **status}
    return {"metadata": {"name": "web-1", "uid": UID}, "status": said}


def test_who_may_be_named_as_login_user_may_log_in() -> None:
    assert f"^{ssh.USER.pattern}$" == USER_PATTERN


def test_ssh_knows_the_host_key_by_the_uid_and_gets_the_rest_handed_on() -> None:
    words = ssh_words(Guest("web-1", UID, "10.77.0.61", "root", "h1"), Path("/h/.ssh/known"), ("uname", "-a"))
    assert words[-5:] == ["-l", "root", "10.77.0.61", "uname", "-a"]
    assert f"HostKeyAlias=quantix-{UID}" in words
    assert 'UserKnownHostsFile="/h/.ssh/known"' in words
    assert "StrictHostKeyChecking=accept-new" in words


@pytest.mark.parametrize(
    ("machine", "user", "code"),
    [
        (vm(assignment={"epoch": 2}), "root", Exit.REFUSED),
        (vm(addresses=[]), "root", Exit.REFUSED),
        (vm(addresses=["-oProxyCommand=reboot"]), "root", Exit.REFUSED),
        (vm(), "-oProxyCommand=reboot", Exit.REFUSED),
        (vm(), "", Exit.USAGE),
    ],
    ids=["off", "no address", "an address that is an option", "a user that is an option", "nobody"],
)
def test_what_is_no_address_or_user_never_reaches_ssh(machine: dict[str, Any], user: str, code: Exit) -> None:
    with pytest.raises(CommandError) as refused:
        guest_of(machine, user)
    assert refused.value.exit_code is code


def test_the_first_good_address_counts() -> None:
    wanted = Guest("web-1", UID, "fd00::5", "debian", "h1")
    assert guest_of(vm(addresses=["x", "fd00::5"]), "debian") == wanted


@pytest.mark.parametrize(
    ("script", "code"), [("exit 3", 3), ("kill -TERM $$", 143), ("kill -INT $PPID; exit 4", 4)]
)
def test_what_ends_in_the_guest_ends_here_with_the_same_code(script: str, code: int) -> None:
    assert ssh.run_here("/bin/sh", ("sh", "-c", script)) == code


def test_a_guest_that_says_no_has_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ssh.answers("127.0.0.1", port)
    assert ssh.answers("127.0.0.1", port)


def test_an_address_without_a_route_does_not_answer() -> None:
    # link-local, and no link is named
    assert not ssh.answers("fe80::1", 22)


@pytest.mark.parametrize(("address", "told"), [("fe80::1", True), ("127.0.0.1", False)])
def test_while_ssh_tries_in_silence_it_is_told_that_nothing_answers_yet(
    address: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with ssh.told_when_slow(PIPE, address, server.getsockname()[1], after_s=0.1):
            assert ssh.run_here("/bin/sh", ("sh", "-c", "sleep 0.5")) == 0
    assert ("of fe80::1 does not answer yet; ssh tries for 20 s." in capsys.readouterr().err) is told


def test_without_a_route_ssh_says_so_itself_and_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with ssh.told_when_slow(PIPE, "fe80::1", 22, after_s=60.0):
        assert ssh.run_here("/bin/sh", ("sh", "-c", "sleep 0.2")) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("rest", "port"),
    [
        ("", 22),
        ("-p 2222", 2222),
        ("-tp2222 -p 22", 2222),
        ("-v -o Port=2222", 2222),
        ("-oport=2222 -p 22", 2222),
        ("-L 80:localhost:80 -o BatchMode=yes -p 2222 uname", 2222),
        ("nc -p 2222", 22),
        ("-t -- nc -p 2222", 22),
        ("-p http", 22),
        ("-?", 22),
    ],
)
def test_the_port_is_the_one_that_ssh_is_told(rest: str, port: int) -> None:
    assert ssh.port_of(rest.split()) == port


def failed(monkeypatch: pytest.MonkeyPatch, home: Path, guest: Guest, *rest: str) -> None:
    """`qx vm ssh web-1 -- REST` with an ssh that cannot log in."""
    program = home / "ssh"
    program.write_text("#!/bin/sh\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setattr(Invocation, "run", lambda *_: guest)
    settings = read_settings({"PATH": str(home), "HOME": str(home)})
    words = ["web-1", *(["--", *rest] if rest else [])]
    assert ssh.ssh_command("vm").main(words, obj=settings, standalone_mode=False) == 255


def at(address: str, *rules: dict[str, Any]) -> Guest:
    """A guest whose NIC is in a group of these rules."""
    nic = {"name": "eth0"}
    vm = {"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"nics": [nic]}}
    groups = ({"metadata": {"name": "web"}, "spec": {"ingress": list(rules)}},)
    return Guest("web-1", UID, address, "debian", "h1", Gate(vm, nic, groups))


def test_the_port_that_is_told_to_be_silent_is_the_one_that_ssh_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(monkeypatch, tmp_path, Guest("web-1", UID, "fe80::1", "debian", "h1"), "-o", "Port 2222")
    said = capsys.readouterr().err
    assert "Nothing answers on port 2222 of fe80::1" in said
    assert "let its security groups allow TCP 2222;" in said


def test_a_login_that_is_refused_tells_of_a_missing_key_and_a_closed_port_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = at("127.0.0.1", {"protocol": "Any"})
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = f"-p{door.getsockname()[1]}"
        failed(monkeypatch, tmp_path, guest, port)
        said = capsys.readouterr().err
        assert "✗ web-1 was given no SSH key.\nTry: kubectl edit vm web-1 -n shop: " in said
    failed(monkeypatch, tmp_path, guest, port)
    assert capsys.readouterr().err == ""


def test_where_rules_may_be_why_the_way_through_the_host_is_told_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ssh, "source_towards", lambda _: "192.168.1.5")
    failed(monkeypatch, tmp_path, at("fe80::1", {"protocol": "Any", "from": [{"cidr": "10.0.0.0/8"}]}))
    _, hint = capsys.readouterr().err.splitlines()
    first, way = hint.split("; ")
    assert first == "Try: qx securitygroup set web --allow tcp:22 --from 192.168.1.5"
    assert "qx vm ssh web-1 -- -J root@h1 goes through its host" in way


def test_after_a_detour_only_rules_that_let_nobody_in_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(monkeypatch, tmp_path, at("fe80::1", {"protocol": "Any"}), "-J", "root@h1")
    assert capsys.readouterr().err == ""
    failed(monkeypatch, tmp_path, at("fe80::1"), "-J", "root@h1")
    assert "No rule of security group web lets TCP 22 in to web-1." in capsys.readouterr().err


def test_the_owner_of_a_connection_is_that_of_its_other_end() -> None:
    assert find_owner(ROWS, port=0x170D, peer_port=0xC350) == 1000
    assert find_owner(ROWS, port=1, peer_port=2) is None


def test_a_connection_of_our_own_is_found_in_the_kernels_table() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as peer,
    ):
        assert owner_of(server.getsockname()[1], peer.getsockname()[1]) is not None


async def in_capitals(request: web.Request) -> web.StreamResponse:
    """Where hostd's door to a screen would be: says a greeting, then what it hears in capitals."""
    opened = web.WebSocketResponse()
    await opened.prepare(request)
    await opened.send_bytes(b"RFB 003.008\n")
    async for message in opened:
        if message.type is WSMsgType.BINARY:
            await opened.send_bytes(message.data.upper())
    return opened


async def test_a_viewer_finds_the_screen_at_the_port_and_another_one_after_it() -> None:
    door = web.Application()
    door.router.add_get("/vnc", in_capitals)
    async with TestServer(door) as hostd, ClientSession() as http:
        api = HostApi(http, str(hostd.make_url("")).rstrip("/"), "h1")
        async with http.ws_connect(api.url("/vnc")) as first:
            shown = Screen(api, "/vnc", first)
            async with await shown.serve(0) as server:
                for _ in range(2):
                    await talk(server.sockets[0].getsockname()[1])


async def talk(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(5):
        assert await reader.readexactly(12) == b"RFB 003.008\n"
        writer.write(b"keys")
        assert await reader.readexactly(4) == b"KEYS"
    writer.close()


async def test_a_port_that_is_taken_is_told() -> None:
    async with ClientSession() as http:
        shown = Screen(HostApi(http, "http://x", "h1"), "/vnc", None)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            with pytest.raises(CommandError, match="cannot be used"):
                await shown.serve(taken.getsockname()[1])
