"""What `qx` says to wrong words, in its own voice; and how little it loads for its help."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from quantix_cli.grammar import noun_first
from quantix_cli.main import interrupted_words

# the sources of this checkout, whichever one is installed
SOURCES = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
HEAVY = {"aiohttp", "pydantic", "structlog", "yaml"}


def qx(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quantix_cli.main", *words],
        env={"LANG": "C.UTF-8", "QUANTIX_ROOT": "/nonexistent", "HOME": "/nonexistent", **SOURCES},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vm", "list", "-o", "xml"], "✗ --output is one of table, wide, json, yaml, name."),
        (["vm", "list", "--timeout", "abc"], "✗ --timeout: abc is no time, such as 90s, 5m or 1h."),
        (["vm", "list", "--columns", "foo"], "✗ There is no column FOO."),
        (["vm", "console"], "✗ NAME is missing."),
        (["vm", "create", "new1"], "✗ From what? --image or --iso is missing."),
        (["vm", "strat"], '✗ No verb "strat" for vm. Did you mean start?'),
        (["vm", "get", "web-1"], '✗ No verb "get" for vm. Did you mean list?'),
        (["vm", "describe", "web-1"], '✗ No verb "describe" for vm. Did you mean show?'),
        (["vm", "reboot", "web-1"], '✗ No verb "reboot" for vm. Did you mean restart?'),
        (["volume", "destroy"], '✗ No verb "destroy" for volume. Did you mean delete?'),
        (["get", "vm"], '✗ No noun or command "get": the noun comes first. Did you mean qx vm list?'),
        (
            ["delete", "-n", "shop", "vms", "web-1"],
            '✗ No noun or command "delete": the noun comes first. Did you mean qx vm delete?',
        ),
        (["help", "vm", "strat"], '✗ No verb "strat" for vm. Did you mean start?'),
        (["datastore", "list"], '✗ No noun or command "datastore". Did you mean pool?'),
        (["explain", "datastore/x"], '✗ No noun "datastore". Did you mean pool?'),
        (["explain", "datastore", "x"], '✗ No noun "datastore". Did you mean pool?'),
        (["explain"], "✗ Nothing is not NOUN/NAME."),
        (["image", "upload", __file__, "--name", "My Linux"], "✗ 'My Linux' is no name of an image."),
        (
            ["volume", "create", "a", "--size", "16"],
            "✗ --size: 16 is no size without a unit: 16GiB, 16MiB or another.",
        ),
        (
            ["vm", "attach", "web-1", "--disk", "1"],
            "✗ --disk: 1 is no size without a unit: 1GiB, 1MiB or another.",
        ),
        (["vm", "attach", "web-1", "--disk", "1GiB,x=y"], "✗ --disk: x=y is no detail of it."),
        (
            ["vm", "attach", "web-1", "--disk", "1GiB,pool=a", "--pool", "b"],
            "✗ --pool and pool= of --disk say the same thing: give one.",
        ),
        (["volume", "upload", __file__, "--name", "My Disk"], "✗ 'My Disk' is no name of a volume."),
        (
            ["volume", "upload", __file__, "--name", "shared/disk"],
            "✗ shared/disk is no name of a volume: it cannot be shared.",
        ),
        (["vm", "stop"], "✗ Which VM?"),
        (["image", "show"], "✗ Which image?"),
        (["volume", "create", "a"], "✗ How large? An empty volume needs --size."),
        (
            ["volume", "create", "a", "--image", "i", "--from", "v"],
            "✗ --image, --from and --from-snapshot each say what it is made from: give one.",
        ),
        # told without a command in it, which would be given the namespace
        (
            ["vm", "create", "a", "b", "-n", "shop", "--image", "i"],
            "✗ The command takes one name, and a, b are 2.",
        ),
        (["vm", "create"], "✗ NAME is missing."),
        (
            ["pool", "create", "fast", "--path", "srv/fast"],
            "✗ srv/fast does not begin with /: a pool is the same directory on each host.",
        ),
        (
            ["vm", "backup", "web-1"],
            "✗ qx vm backup is not built yet. Backups into a pool, by hand and by a schedule, are planned. "
            "Until then copy what matters out of the guest, or all disks of a VM that is off: "
            "qx vm clone NAME COPY --full --pool POOL.",
        ),
        (["vm", "vmotion", "web-1"], '✗ No verb "vmotion" for vm. Did you mean migrate?'),
        (
            ["ns", "list"],
            "✗ qx ns is not built yet. Until then kubectl get namespaces lists them, kubectl create "
            "namespace NAME makes one.",
        ),
        (["host", "confirm-dead", "box"], "✗ qx host confirm-dead is not built yet."),
        (
            ["vm", "detach", "web-1", "--disk", "root"],
            "✗ A device is named without an option before it: names are unique in a VM.",
        ),
        (
            ["image", "set", "a", "--login-user", "bad user"],
            "✗ --login-user: 'bad user' is no name of a user.",
        ),
        (
            ["image", "upload", __file__, "--login-user", "bad user"],
            "✗ --login-user: 'bad user' is no name of a user.",
        ),
        (
            ["network", "create", "db", "--subnet", "10.0.0.5/24"],
            "✗ --subnet: 10.0.0.5/24 is an address in a subnet, which is 10.0.0.0/24.",
        ),
        (
            ["network", "create", "db", "--subnet", "10.0.0"],
            "✗ --subnet: 10.0.0 is no subnet, such as 10.20.1.0/24 or fd00:1::/64.",
        ),
        (["instancetype", "list", "--host", "box"], "✗ --host means nothing for instance types."),
    ],
)
def test_wrong_words_are_answered_in_one_voice_with_2(words: list[str], said: str) -> None:
    done = qx(*words)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (2, "", said)


@pytest.mark.parametrize(
    "before",
    [
        ["--kubeconfig", "/nonexistent/x"],
        ["--kubeconfig=/nonexistent/x"],
        ["-A", "-y", "--kubeconfig", "/nonexistent/x"],
        ["-vnshop", "--kubeconfig", "/nonexistent/x"],
        ["-vn", "shop", "--timeout", "1s", "--kubeconfig=/nonexistent/x"],
    ],
)
def test_options_that_all_commands_share_may_stand_before_any_word(before: list[str]) -> None:
    done = {tuple(words): qx(*words) for words in ([*before, "vm", "list"], ["vm", *before, "list"])}
    done[()] = qx("vm", "list", *before)
    assert {(one.returncode, one.stdout, one.stderr) for one in done.values()} == {
        (done[()].returncode, "", done[()].stderr)
    }
    assert "/nonexistent/x" in done[()].stderr


@pytest.mark.parametrize(
    ("args", "arranged"),
    [
        (["vm", "-n", "shop", "list"], ["vm", "-n", "shop", "list"]),
        (["-n", "shop", "vm", "list"], ["vm", "-n", "shop", "list"]),
        (["--dry-run", "vm", "ssh", "web-1", "--", "-A"], ["vm", "--dry-run", "ssh", "web-1", "--", "-A"]),
        (["-n", "shop"], []),
        (["-n"], []),
        (["-", "vm"], ["-", "vm"]),
        (["-n", "shop", "--help"], ["--help", "-n", "shop"]),
        (["-nx", "--help"], ["--help", "-nx"]),
        (["--version", "-n", "x"], ["--version", "-n", "x"]),
        ([], []),
    ],
)
def test_options_before_the_noun_stand_behind_it(args: list[str], arranged: list[str]) -> None:
    assert noun_first(args) == arranged


@pytest.mark.parametrize("words", [[], ["vm"]])
def test_no_words_at_all_get_the_help(words: list[str]) -> None:
    done = qx(*words)
    assert (done.returncode, done.stdout, done.stderr.partition(" ")[0]) == (2, "", "Usage:")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["help"], ["--help"]),
        (["help", "vm"], ["vm", "--help"]),
        (["help", "vm", "create"], ["vm", "create", "--help"]),
        (["vm", "help", "create"], ["vm", "create", "--help"]),
        (["help", "status"], ["status", "--help"]),
        (["-n", "shop", "help", "vm", "create"], ["vm", "create", "--help"]),
    ],
)
def test_help_is_a_word_as_well_as_an_option(words: list[str], meant: list[str]) -> None:
    done, wanted = qx(*words), qx(*meant)
    assert (done.returncode, done.stdout, done.stderr) == (0, wanted.stdout, "")


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], {*HEAVY, "asyncio"}),
        (["vm", "list", "--help"], {*HEAVY, "asyncio"}),
        (["vm", "explain", "--help"], {*HEAVY, "asyncio"}),
        (["vm", "--help"], HEAVY),
        (["image", "upload", "--help"], HEAVY),
        (["volume", "upload", "--help"], HEAVY),
    ],
)
def test_help_loads_nothing_that_takes_long(words: list[str], heavy: set[str]) -> None:
    code = (
        "import sys\nfrom quantix_cli.main import qx\n"
        "qx.main(sys.argv[1:], standalone_mode=False, prog_name='qx')\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("Usage: qx")
    assert set(done.stderr.split()) & heavy == set()


def test_a_word_that_is_merely_alike_is_not_offered() -> None:
    assert "Did you mean" not in qx("image", "stop").stderr
    assert "Did you mean" not in qx("get", "nothing").stderr
    assert "Did you mean start?" in qx("vm", "strat").stderr


def test_the_version_is_shown_by_the_option_that_other_programs_have() -> None:
    assert qx("--version").stdout == qx("version").stdout


def test_an_interrupted_qx_up_says_that_finished_steps_are_kept_at_any_moment() -> None:
    assert interrupted_words(["up"]) == "Stopped. Finished steps are kept; make up goes on from here."
    assert interrupted_words(["vm", "up"]) == "Nothing was changed."
