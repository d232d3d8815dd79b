"""What `qx down` and `make clean` take for ours, and leave where it is another's."""

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_cli.settings import read_settings
from quantix_cli.terminal import Terminal
from quantix_cli.up import links, neighbours
from quantix_cli.up.hostd_door import Orphan
from quantix_cli.up.installation import describe
from quantix_cli.up.run.programs import Done
from quantix_cli.up.run.progress import Activity, Progress
from quantix_cli.up.run.runner import now_s
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import judge_settings
from quantix_cli.up.stop import at_work, clean, guests, stopping
from quantix_cli.up.stop import bridges as bridges_module

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)


def test_a_mount_below_an_installation_is_seen_before_anything_is_removed() -> None:
    info = "30 20 8:1 / /var/lib/quantix/pools/big rw - xfs x rw\n31 20 8:1 / /var/lib/other rw - xfs x rw"
    found = clean.mounts_below(clean.directories(judge_settings(read_settings({}))), info)
    assert found == [Path("/var/lib/quantix/pools/big")]


@pytest.mark.parametrize(
    ("environment", "goes"),
    [
        ({}, True),
        ({"QUANTIX_CACHE": "/var/cache/quantix"}, False),
        ({"QUANTIX_CACHE": "/srv/builds"}, True),
    ],
)
def test_a_cache_that_was_named_is_for_others_too(environment: dict[str, str], goes: bool) -> None:
    folders = clean.directories(judge_settings(read_settings(environment)))
    assert (Path("/var/cache/quantix") in folders) is goes
    assert Path("/srv/builds") not in folders


def test_guests_of_an_installation_below_another_directory_or_of_other_users_are_not_ours(
    tmp_path: Path,
) -> None:
    for pid, root, user in (("7", "", 0), ("8", "/tmp/x", 0), ("9", "", 1000)):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "status").write_text(f"Uid:\t{user}\t{user}\t{user}\t{user}\n")
        (tmp_path / pid / "exe").write_text("")
        words = [
            "/usr/bin/qemu-system-x86_64",
            "-chardev",
            f"socket,id=c,path={root}/run/quantix/vm/u/serial",
        ]
        (tmp_path / pid / "cmdline").write_text("\0".join(words))
    assert guests.guest_processes(Layout(Path("/")), tmp_path) == [7]
    assert guests.guest_processes(Layout(Path("/tmp/x")), tmp_path) == [8]


def test_only_devices_of_our_switch_that_nobody_holds_are_left_behind(tmp_path: Path) -> None:
    answer = '[{"rows":[{"name":"qxh0"},{"name":"br0"},{"name":"qx-int"}]}]'
    assert clean.device_names(answer) == ["qx-int", "qxh0", "ovs-netdev"]
    for name, files in (
        ("held", {"tun_flags": "", "carrier": "1\n"}),
        ("left", {"tun_flags": ""}),
        ("nic", {}),
    ):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    found = [clean.is_left_behind(name, tmp_path) for name in ("held", "left", "nic", "absent")]
    assert found == [False, True, False, False]


def test_only_our_own_drop_ins_are_removed(tmp_path: Path) -> None:
    ours, foreign = (tmp_path / name for name in clean.DROP_INS)
    for path, text in ((ours, "# Made by Quantix: its own devices\n"), (foreign, "# by the administrator\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    clean.remove_drop_ins(tmp_path)
    assert [path.exists() for path in (ours, foreign)] == [False, True]


def stopped_by(layout: Layout) -> stopping.Stopped:
    stopped, activity = stopping.Stopped(), Activity("shut the guests down", 1.0, 0.0)
    asyncio.run(stopping.shut_down(layout, stopped, activity, Progress(PIPE, now_s)))
    return stopped


def test_where_no_host_ever_joined_nobody_has_to_shut_guests_down(tmp_path: Path) -> None:
    assert stopped_by(Layout(tmp_path)) == stopping.Stopped()


def test_guests_of_a_hostd_that_does_not_answer_keep_all_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "guest_processes", lambda layout: [7])
    with pytest.raises(TransientError, match="hostd of this machine does not answer"):
        stopped_by(Layout(tmp_path))


class Door:
    """A hostd whose guests are gone after two looks; `heard`: for how long it was asked to shut down."""

    def __init__(self, guests: dict[str, int] | None) -> None:
        self.left = guests
        self.heard: list[float] = []

    async def orphans(self) -> list[Orphan]:
        return []

    async def guests(self) -> dict[str, int]:
        if self.left is None:
            raise TransientError("HostdBusy", "hostd says 404: Not Found.")
        return self.left

    async def shut_guests_down(self, timeout_s: float) -> list[str]:
        self.heard.append(timeout_s)
        await asyncio.sleep(0.01)
        return list(self.left or ["default/web-1"])


@pytest.mark.parametrize(
    ("left", "told", "timeout_s"),
    [
        (
            {"default/web-1": 60},
            "web-1 has 60 s to shut down; a guest that has not by then is ended without.\n",
            150,
        ),
        (
            {"default/web-1": 60, "shop/db": 600},
            "web-1, shop/db have at most 600 s to shut down; a guest that has not by then is ended "
            "without.\n",
            690,
        ),
        ({"default/web-1": 0}, "web-1: ended at once, as gracePeriodSeconds 0 says.\n", 150),
        ({}, "", 150),
        (None, "", 150),
    ],
    ids=["one", "two", "at once", "none", "a hostd that cannot tell"],
)
def test_the_guests_that_are_waited_for_are_named_at_once_with_how_long_it_may_take(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    left: dict[str, int] | None,
    told: str,
    timeout_s: float,
) -> None:
    door = Door(left)
    monkeypatch.setattr(stopping, "HostdDoor", lambda socket: door)
    activity = Activity("shut the guests down", 1.0, 0.0)
    progress = Progress(PIPE, now_s)
    asyncio.run(stopping.shut_down(Layout(tmp_path), stopping.Stopped(), activity, progress))
    assert (capsys.readouterr().out, door.heard) == (told, [timeout_s])
    assert activity.doing == (f"waits for {', '.join(left).replace('default/', '')}" if left else "")


def test_that_quantix_is_being_stopped_is_seen_as_long_as_it_is(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with at_work.stopping(layout):
        assert not at_work.is_being_stopped(layout), "nothing ran here since the machine's start"
    layout.run.mkdir(parents=True)
    assert not at_work.is_being_stopped(layout)
    with at_work.stopping(layout):
        [mark] = layout.run.iterdir()
        assert mark.stat().st_mode & 0o777 == 0o600, "others would lock it, and doctor believe them"
        assert at_work.is_being_stopped(layout)
        with at_work.stopping(layout):
            assert at_work.is_being_stopped(layout)
    assert not at_work.is_being_stopped(layout)


@pytest.mark.parametrize(("other", "removed"), [(None, 3), (Path("/srv/one"), 0)])
def test_the_tables_of_an_installation_that_runs_beside_it_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: Path | None, removed: int
) -> None:
    ran: list[list[str]] = []

    async def record(argv: list[str], log: UpLog) -> None:
        ran.append(argv)

    monkeypatch.setattr(clean, "run", record)
    monkeypatch.setattr(neighbours, "neighbour", lambda root: other)
    with closing(UpLog(tmp_path / "up.log")) as log:
        asyncio.run(clean.remove_tables(Layout(tmp_path), log))
    assert len(ran) == removed


@pytest.mark.parametrize(
    ("remote", "kept"),
    [
        ('"unix:/srv/one/run/quantix/ovn/ovnsb_db.sock"', ["br0", "qx-ext", "qx-int"]),
        ('"unix:{root}/run/quantix/ovn/ovnsb_db.sock"', ["br0"]),
        ("", ["br0"]),
    ],
    ids=["of another OVN", "ours", "of nobody any more"],
)
def test_bridges_of_another_ovn_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: str, kept: list[str]
) -> None:
    bridges = ["br0", "qx-ext", "qx-int"]

    async def answer(argv: list[str], log: UpLog) -> Done:
        if "list-br" in argv:
            return Done(0, (), tuple(bridges))
        if "del-br" in argv:
            bridges.remove(argv[-1])
        said = (remote.format(root=tmp_path),) if "external_ids:ovn-remote" in argv else ()
        return Done(0, said, said)

    monkeypatch.setattr(bridges_module, "run", answer)
    settings = replace(judge_settings(read_settings({})), layout=Layout(tmp_path))
    with closing(UpLog(tmp_path / "up.log")) as log:
        asyncio.run(bridges_module.remove_bridges(describe(settings, None), log))
    assert bridges == kept


def test_links_of_others_are_never_ours(tmp_path: Path) -> None:
    settings = judge_settings(read_settings({"QUANTIX_CACHE": str(tmp_path / "cache")}))
    foreign, ours, file = tmp_path / "foreign", tmp_path / "ours", tmp_path / "file"
    foreign.symlink_to("/usr/bin/kubectl")
    ours.symlink_to(tmp_path / "cache/controlplane/abc/quantix-controlplane")
    file.touch()
    assert [links.is_ours(path, settings) for path in (foreign, ours, file)] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "namespace", "runs"),
    [("ovs-vswitchd", "net:[1]", True), ("ovs-vswitchd", "net:[2]", False), ("sh", "net:[1]", False)],
)
def test_a_switch_in_this_network_namespace_keeps_its_devices(
    tmp_path: Path, name: str, namespace: str, runs: bool
) -> None:
    for pid, comm, net in (("self", "python", "net:[1]"), ("17", name, namespace)):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "comm").write_text(comm + "\n")
        (tmp_path / pid / "ns/net").symlink_to(net)
    assert clean.is_switch_running(tmp_path) is runs
