"""What `qx` says to wrong words, in its own voice; and how little it loads for its help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from quantix_cli.main import interrupted_words

HEAVY = {"aiohttp", "pydantic", "structlog", "yaml"}


def qx(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quantix_cli.main", *words],
        env={"LANG": "C.UTF-8", "QUANTIX_ROOT": "/nonexistent", "HOME": "/nonexistent"},
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
        (["vm", "strat"], '✗ No verb "strat" for vm. Did you mean start?'),
        (["datastore", "list"], '✗ No noun or command "datastore". Did you mean pool?'),
        (["explain", "datastore/x"], '✗ No noun "datastore". Did you mean pool?'),
        (["explain", "datastore", "x"], '✗ No noun "datastore". Did you mean pool?'),
        (["explain"], "✗ Nothing is not NOUN/NAME."),
        (["image", "upload", __file__, "--name", "My Linux"], "✗ 'My Linux' is no name of an image."),
        (["vm", "stop"], "✗ Which VM?"),
        (["image", "show"], "✗ Which image?"),
        (["volume", "create", "a"], "✗ How large? An empty volume needs --size."),
        (
            ["volume", "create", "a", "--image", "i", "--from", "v"],
            "✗ --image and --from both say what it is made from: give one.",
        ),
    ],
)
def test_wrong_words_are_answered_in_one_voice_with_2(words: list[str], said: str) -> None:
    done = qx(*words)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (2, "", said)


@pytest.mark.parametrize("words", [[], ["vm"]])
def test_no_words_at_all_get_the_help(words: list[str]) -> None:
    done = qx(*words)
    assert (done.returncode, done.stdout, done.stderr.partition(" ")[0]) == (2, "", "Usage:")


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], {*HEAVY, "asyncio"}),
        (["vm", "list", "--help"], {*HEAVY, "asyncio"}),
        (["vm", "explain", "--help"], {*HEAVY, "asyncio"}),
        (["vm", "--help"], HEAVY),
        (["image", "upload", "--help"], HEAVY),
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
    assert "Did you mean" not in qx("get", "vm").stderr
    assert "Did you mean start?" in qx("vm", "strat").stderr


def test_the_version_is_shown_by_the_option_that_other_programs_have() -> None:
    assert qx("--version").stdout == qx("version").stdout


def test_an_interrupted_qx_up_says_that_finished_steps_are_kept_at_any_moment() -> None:
    assert interrupted_words(["up"]) == "Stopped. Finished steps are kept; make up goes on from here."
    assert interrupted_words(["vm", "up"]) == "Stopped watching; work that was begun goes on."
