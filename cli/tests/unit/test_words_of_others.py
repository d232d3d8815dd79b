"""Verbs and options of vSphere, Proxmox and virsh are answered by what does the same here; none by harm."""

from __future__ import annotations

import click
import pytest

from quantix_cli.grammar import NOUNS, Root, unknown
from quantix_cli.other_words import HARMFUL


def said_of(*words: str) -> str:
    """What `qx` says to these words, which it does not take."""
    with pytest.raises(click.UsageError) as refused:
        Root("qx").main(list(words), prog_name="qx", standalone_mode=False)
    return str(refused.value.format_message())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("vm", "resize", "web-2", "5GiB"), ("qx volume resize VOLUME SIZE", "qx vm set NAME")),
        (("vm", "rename"), ("A name stays", "qx vm clone NAME COPY")),
        (("vm", "status"), ("qx vm list", "qx vm explain NAME")),
        (("host", "status"), ("qx host list", "qx host explain NAME")),
        (("vm", "eject"), ("qx vm detach NAME",)),
        (("vm", "Move"), ("qx volume move VOLUME --pool POOL",)),
        (("vm", "export"), ("There is no export", "qx vm show NAME -o yaml")),
        (("vm", "import"), ("docs/bring-a-vm-over.md", "qx volume upload FILE")),
        (("vm", "config"), ("qx vm show NAME", "qx vm set NAME")),
        (("vm", "destroy"), ("qx vm stop NAME --now", "qx vm delete NAME")),
        (("vm", "backup"), ("is not built yet",)),
        (("vm", "revert"), ("qx snapshot restore SNAPSHOT",)),
        (("snapshot", "create"), ("qx vm snapshot VM",)),
        (("volume", "snapshot"), ("qx vm snapshot VM --disk DISK",)),
        (("vms", "resize"), ("qx volume resize VOLUME SIZE",)),
        (("destroy", "vm", "web-1"), ("the noun comes first. qx vm stop NAME --now",)),
        (("resize", "vm", "web-1"), ("the noun comes first. qx vm set NAME", "qx volume resize")),
        (("ps",), ("There are: vm, image",)),
        (("rm",), ("There are: vm, image",)),
        (("vn", "list"), ("Did you mean vm?",)),
        (("namespaces",), ("kubectl get namespaces", "kubectl create namespace NAME")),
        (("volume", "attach"), ("qx vm attach VM --volume VOLUME",)),
        (("iso", "list"), ("Did you mean image?",)),
        (("storage", "list"), ("Did you mean pool?",)),
        (("datastore",), ("Did you mean pool?",)),
        (("vm", "create", "a", "--ip", "10.0.0.5"), ("Did you mean --network NET,address=A?",)),
        (("vm", "create", "a", "--address=10.0.0.5"), ("Did you mean --network NET,address=A?",)),
        (("vms", "create", "a", "--template", "x"), ("Did you mean --image IMAGE?",)),
        (("vm", "attach", "a", "--nic", "db"), ("Did you mean --network NET?",)),
        (("vm", "attach", "a", "--cdrom", "x"), ("Did you mean --iso IMAGE?",)),
        (("volume", "set", "a", "--size", "5GiB"), ("Did you mean qx volume resize VOLUME SIZE?",)),
        (("vm", "start", "a", "--nothing"), ("--nothing",)),
    ],
)
def test_words_of_other_tools_are_answered_by_what_does_the_same(
    words: tuple[str, ...], named: tuple[str, ...]
) -> None:
    said = said_of(*words)
    assert [part for part in named if part not in said] == []


@pytest.mark.parametrize("word", ["resize", "rename", "status", "setup", "relate", "step", "deploy"])
@pytest.mark.parametrize("noun", NOUNS)
def test_nothing_harmful_is_guessed_of_a_word_that_differs_much(noun: str, word: str) -> None:
    meant = unknown("verb", word, NOUNS[noun][1], f"for {noun}").partition("Did you mean ")[2]
    assert meant.rstrip("?") not in HARMFUL


@pytest.mark.parametrize(
    ("typed", "meant"), [("rset", "reset"), ("delte", "delete"), ("resrart", "restart"), ("stopp", "stop")]
)
def test_a_slip_of_the_finger_is_understood(typed: str, meant: str) -> None:
    assert unknown("verb", typed, NOUNS["vm"][1], "for vm").endswith(f"Did you mean {meant}?")
