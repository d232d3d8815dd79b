"""Two installations on one machine: `make up` refuses beside one that runs, `make clean` spares it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_cli.settings import read_settings
from quantix_cli.supervision.service import Service
from quantix_cli.supervision.table import Installation, services
from quantix_cli.terminal import Terminal
from quantix_cli.up import bootstrap, neighbours
from quantix_cli.up.settings import UpSettings, judge_settings

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)
HERE, ELSEWHERE = "net:[1]", "net:[2]"
FIRST, SECOND = Path("/srv/one"), Path("/srv/two")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with nothing in it but ourselves."""
    made = tmp_path / "proc"
    process(made, "self", [])
    return made


def process(
    proc: Path,
    pid: str,
    words: list[str],
    *,
    network: str = HERE,
    environment: str = "PATH=/bin",
    users: tuple[int, int] = (0, 0),
    mode: int = 0o755,
) -> None:
    """`users`: the real user ID and the others; `mode` is that of its program."""
    (proc / pid / "ns").mkdir(parents=True)
    (proc / pid / "status").write_text(f"Name:\tx\nUid:\t{users[0]}\t{users[1]}\t{users[1]}\t{users[1]}\n")
    (proc / pid / "exe").write_text("")
    (proc / pid / "exe").chmod(mode)
    (proc / pid / "ns/net").symlink_to(network)
    (proc / pid / "cmdline").write_text("".join(f"{word}\0" for word in words))
    (proc / pid / "environ").write_text(f"{environment}\0")


def service(name: str, root: Path) -> Service:
    python, binary = Path("/checkout/.venv/bin/python"), Path("/cache/quantix-controlplane")
    table = services(Installation(Layout(root), "box", python, code="", controlplane=binary))
    return next(service for service in table if service.name == name)


def settings_of(tmp_path: Path) -> UpSettings:
    return replace(
        judge_settings(read_settings({})), layout=Layout(tmp_path / "root"), checkout=tmp_path / "checkout"
    )


@pytest.mark.parametrize("name", ["operator", "hostd"])
def test_a_service_that_systemd_began_is_known_by_its_command_line(proc: Path, name: str) -> None:
    process(proc, "7", ["/checkout/.venv/bin/python3", *service(name, FIRST).argv])
    assert neighbours.root_of(proc / "7") == FIRST


@pytest.mark.parametrize("root", [Path("/"), FIRST])
def test_a_control_plane_is_known_by_where_its_data_lies(proc: Path, root: Path) -> None:
    process(proc, "7", list(service("controlplane", root).argv))
    process(proc, "8", ["/cache/quantix-controlplane", "serve", "--data-dir", "/tmp/test"])
    assert [neighbours.root_of(proc / pid) for pid in ("7", "8")] == [root, None]


def test_what_supervisord_began_is_known_by_its_mark_also_a_guest_that_was_left(proc: Path) -> None:
    words = ["/usr/bin/qemu-system-x86_64"]
    process(proc, "7", words, environment=f"QUANTIX_SERVICE=libvirtd\0QUANTIX_SERVICE_ROOT={FIRST}")
    process(proc, "8", words)
    assert [neighbours.root_of(proc / pid) for pid in ("7", "8")] == [FIRST, None]


@pytest.mark.parametrize(
    ("users", "mode"),
    [((1000, 1000), 0o755), ((1000, 0), 0o4755), ((0, 0), 0o4755), ((0, 0), 0o2755)],
)
@pytest.mark.parametrize("by", ["command line", "environment"])
def test_no_other_user_can_pretend_to_be_an_installation(
    proc: Path, by: str, users: tuple[int, int], mode: int
) -> None:
    words = list(service("hostd", FIRST).argv) if by == "command line" else ["su"]
    marked = f"QUANTIX_SERVICE_ROOT={FIRST}" if by == "environment" else "PATH=/bin"
    process(proc, "7", words, environment=marked, users=users, mode=mode)
    neighbours.require_alone(SECOND, proc)
    assert not neighbours.is_of(proc / "7", FIRST)


def test_a_process_that_has_ended_meanwhile_is_nobodys(proc: Path) -> None:
    process(proc, "7", list(service("hostd", FIRST).argv))
    (proc / "7/status").unlink()
    neighbours.require_alone(SECOND, proc)


def test_beside_another_installation_none_is_set_up(proc: Path) -> None:
    process(proc, "7", list(service("hostd", FIRST).argv))
    with pytest.raises(PermanentError) as caught:
        neighbours.require_alone(SECOND, proc)
    assert str(caught.value) == (
        "Quantix of /srv/one runs on this machine, and a second one, of /srv/two, would take over its "
        "bridges, packet filter and ports. Try: use that one, or QUANTIX_ROOT=/srv/one make down in its "
        "checkout, or give this one a network namespace of its own."
    )


def test_the_same_installation_and_those_in_other_network_namespaces_are_in_nobodys_way(proc: Path) -> None:
    process(proc, "7", list(service("hostd", FIRST).argv))
    process(proc, "8", list(service("hostd", SECOND).argv), network=ELSEWHERE)
    neighbours.require_alone(FIRST, proc)


def test_one_root_may_be_spelled_in_two_ways(proc: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "root")
    process(proc, "7", list(service("hostd", tmp_path / "root").argv))
    neighbours.require_alone(tmp_path / "link", proc)


def test_a_refused_make_up_has_written_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "neighbour", lambda root, proc: FIRST)
    settings = settings_of(tmp_path)
    with pytest.raises(PermanentError, match="Quantix of /srv/one runs"):
        bootstrap.up(settings, PIPE, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_clean_does_not_take_the_programs_of_another_installation(proc: Path, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    words = [str(settings.venv / "bin/python3"), str(settings.venv / "bin/quantix-hostd"), "--root", "/"]
    process(proc, "7", words, network=ELSEWHERE)
    with pytest.raises(PermanentError, match="Quantix of / runs with the programs of this checkout"):
        neighbours.require_own_programs(settings.venv, settings.layout.root, proc)
    neighbours.require_own_programs(settings.venv, Path("/"), proc)
    neighbours.require_own_programs(tmp_path / "other/.venv", settings.layout.root, proc)
