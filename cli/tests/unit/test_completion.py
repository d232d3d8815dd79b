"""What Tab offers: words of the grammar, names of objects, and nothing that a shell would act upon."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from quantix_cli.completing.asking import safe_names
from quantix_cli.completing.names import Place, names_of
from quantix_cli.completing.shells import SCRIPTS
from quantix_cli.completing.words import FILES, candidates, place_of

_CLEAR = "\x15"
"""Ctrl-U: the line is begun anew."""
NAMES = {
    "vm": ["web-1", "web-2"],
    "image": ["debian", "shared/tiny"],
    "network": ["db"],
    "host": ["box"],
    "securitygroup": ["web"],
}


def offered(*words: str) -> list[str]:
    return candidates(words, lambda noun: NAMES.get(noun, []))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["v"], ["vm", "volume", "version"]),
        (["vm", "sta"], ["start"]),
        (["img", "up"], ["upload"]),
        (["vm", "start", ""], ["web-1", "web-2"]),
        (["vm", "start", "web-1", ""], ["web-2"]),
        (["vm", "stop", "--grace", "5", "web-"], ["web-1", "web-2"]),
        (["vm", "stop", "--gr"], ["--grace"]),
        (["vm", "create", ""], []),
        (["vm", "create", "x", "--image", "sh"], ["shared/tiny"]),
        (["vm", "create", "x", "--os", "W"], ["Windows"]),
        (["vm", "create", "x", "--memory", ""], []),
        (["pool", "create", "x", "--p"], ["--path"]),
        (["vm", "set", "web-1", "--max"], ["--max-cpu", "--max-memory"]),
        (["vm", "list", "--host", ""], ["box"]),
        (["vm", "list", "--ho"], ["--host"]),
        (["vm", "migrate", "web-1", "--to", ""], ["box"]),
        (["host", "drain", ""], ["box"]),
        (["pool", "list", "--ho"], []),
        (["pool", "delete", "--ho"], []),
        (["vm", "delete", "--now"], ["--now"]),
        (["pool", "delete", "--now"], []),
        (["vm", "list", "-o", "j"], ["json"]),
        (["vm", "detach", "web-1", ""], []),
        (["image", "upload", ""], [FILES]),
        (["vol", "up"], ["upload"]),
        (["volume", "upload", ""], [FILES]),
        (["vm", "list", "--kubeconfig", ""], [FILES]),
        (["explain", "v"], ["vm/", "volume/"]),
        (["explain", "vm/web-2"], ["vm/web-2"]),
        (["explain", "vm", "web-1"], ["web-1"]),
        (["completion", "z"], ["zsh"]),
        (["nonsense", ""], []),
        (["vm", "nonsense", ""], []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_may_come_next(words: list[str], found: list[str]) -> None:
    assert offered(*words) == found


def test_the_place_is_that_of_the_command_line() -> None:
    words = ["vm", "start", "-n", "shop", "--context=prod", ""]
    assert place_of(words) == {"namespace": "shop", "context": "prod"}


def test_what_is_no_name_is_not_passed_on_to_a_shell() -> None:
    names = ["web-1", "$(reboot)", "a b", "-x", "a;b", "A"]
    columns = {"columnDefinitions": [{"name": "Age"}, {"name": "Name", "format": "name"}]}
    assert safe_names({**columns, "rows": [{"cells": ["1d", name]} for name in names]}) == ["web-1"]
    assert safe_names({**columns, "rows": None}) == []


def test_without_an_answer_there_are_no_names_and_no_words(tmp_path: Path) -> None:
    assert names_of("vm", Place(tmp_path / "none", None, None, tmp_path / "cache")) == []


def test_a_fresh_answer_is_used_again_and_an_old_one_is_not(tmp_path: Path) -> None:
    place = Place(tmp_path / "none", None, "shop", tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    assert names_of("vm", place) == []
    asked = json.dumps([str(place.kubeconfig), None, "shop", "vm"])
    kept = tmp_path / "cache" / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"
    kept.write_text('["web-1"]')
    assert names_of("vm", place) == ["web-1"]
    os.utime(kept, (1, 1))
    assert names_of("vm", place) == []


def make_qx(tmp_path: Path, answer: str) -> None:
    """A `qx` that answers with `answer` and notes what it was asked."""
    stub = tmp_path / "qx"
    stub.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/asked\nprintf '{answer}'\n")
    stub.chmod(0o755)


def bash(tmp_path: Path, answer: str, line: str) -> list[str]:
    """What bash offers for a line, with a `qx` that answers so."""
    make_qx(tmp_path, answer)
    words = " ".join(f"'{word}'" for word in line.split(" "))
    program = (
        f'{SCRIPTS["bash"]}\ncompopt() {{ echo "compopt $*"; }}\n'
        f"COMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        "_qx\nprintf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.split("\n")[:-1]


def test_bash_asks_with_the_words_up_to_the_cursor_and_takes_each_line_as_a_word(tmp_path: Path) -> None:
    assert bash(tmp_path, "web-1\\nweb-2\\n", "qx vm start ") == ["web-1", "web-2"]
    assert (tmp_path / "asked").read_text().split("\n")[:-1] == [
        "completion",
        "bash",
        "--",
        "vm",
        "start",
        "",
    ]


def test_bash_completes_files_itself_where_a_file_is_meant(tmp_path: Path) -> None:
    assert bash(tmp_path, ":files\\n", "qx image upload ")[0] == "compopt -o default"


def fish(tmp_path: Path, answer: str, line: str) -> list[str]:
    """What fish offers for a line."""
    make_qx(tmp_path, answer)
    program = f"{SCRIPTS['fish']}\ncomplete --do-complete {shlex.quote(line)}"
    own = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        env=own,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.splitlines()


def completes_in_zsh(tmp_path: Path, *lines: tuple[str, str, str]) -> None:
    """Type lines and Tab in a zsh with a terminal of its own; each is the answer of `qx`, what is typed and
    what that is made.
    """
    loads = f"PROMPT='> '\nautoload -Uz compinit && compinit -u\n{SCRIPTS['zsh']}"
    (tmp_path / ".zshrc").write_text(loads)
    home = str(tmp_path)
    own = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": home, "ZDOTDIR": home, "TERM": "dumb"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-i"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=own,
        cwd=tmp_path,
        start_new_session=True,
    ) as shell:
        os.close(theirs)
        try:
            read_until(ours, "> ")
            for answer, typed, shown in lines:
                make_qx(tmp_path, answer)
                os.write(ours, f"{_CLEAR}{typed}\t".encode())
                read_until(ours, shown)
        finally:
            shell.kill()
            os.close(ours)


def read_until(descriptor: int, text: str) -> None:
    """Until `text` is part of what a terminal shows; at most 10 s."""
    seen, deadline = "", time.monotonic() + 10
    while text not in seen:
        ready, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"no {text!r} in {seen!r}"
        seen += os.read(descriptor, 4096).decode(errors="replace")


def test_fish_asks_with_the_words_up_to_the_cursor(tmp_path: Path) -> None:
    assert fish(tmp_path, "start\\nstatus\\nstop\\n", "qx vm st") == ["start", "status", "stop"]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["completion", "fish", "--", "vm", "st"]


def test_fish_completes_files_itself_where_a_file_is_meant(tmp_path: Path) -> None:
    (tmp_path / "disk.qcow2").touch()
    assert fish(tmp_path, ":files\\n", "qx image upload dis") == ["disk.qcow2"]


def test_zsh_completes_words_files_where_a_file_is_meant_and_asks_up_to_the_cursor(tmp_path: Path) -> None:
    (tmp_path / "disk.qcow2").touch()
    file = (":files\\n", "qx image upload dis", "qx image upload disk.qcow2")
    completes_in_zsh(tmp_path, file, ("start\\n", "qx vm st", "qx vm start "))
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["completion", "zsh", "--", "vm", "st"]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_shell_is_told_how_to_load_it(shell: str) -> None:
    assert f"qx completion {shell} -- " in SCRIPTS[shell]
    assert SCRIPTS[shell].startswith("#")
