"""What is typed: names, globs, wrong words, other platforms' words, keys that leave a console."""

from pathlib import Path
from typing import Any

import pytest

from quantix_cli.cluster import choose
from quantix_cli.commands.files import name_from
from quantix_cli.escapes import EscapeScanner, parse_escape
from quantix_cli.exits import CommandError, Exit
from quantix_cli.grammar import COMMANDS, NOUNS, unknown
from quantix_cli.naming import Name, parse_name, reference
from quantix_cli.selection import pick
from quantix_cli.settings import read_settings
from quantix_cli.uploading import refuse_other_content

VMS: list[dict[str, Any]] = [
    {"metadata": {"name": n, "namespace": "default"}} for n in ("db-1", "web-1", "web-2")
]


def names(typed: list[str]) -> list[str]:
    return [obj["metadata"]["name"] for obj in pick(VMS, [Name(name) for name in typed], "vm").objects]


def test_names_come_in_the_order_typed_and_once() -> None:
    assert names(["web-2", "db-1", "web-2"]) == ["web-2", "db-1"]


def test_a_glob_that_matches_several_counts_as_not_typed_out() -> None:
    picked = pick(VMS, [Name("web-*")], "vm")
    assert ([o["metadata"]["name"] for o in picked.objects], picked.typed_out) == (["web-1", "web-2"], False)


def test_a_glob_that_matches_one_counts_as_typed_out() -> None:
    assert pick(VMS, [Name("db-*")], "vm").typed_out


@pytest.mark.parametrize("wrong", ["wep-1", "zzz*"])
def test_what_matches_nothing_ends_with_not_found(wrong: str) -> None:
    with pytest.raises(CommandError) as raised:
        pick(VMS, [Name(wrong)], "vm")
    assert raised.value.exit_code is Exit.NOT_FOUND


IMAGES: list[dict[str, Any]] = [
    {"metadata": {"name": "tiny", "namespace": "quantix-shared"}},
    {"metadata": {"name": "mine", "namespace": "default"}},
]


@pytest.mark.parametrize(
    ("typed", "noun", "meant"),
    [
        ("web-1", "vm", Name("web-1")),
        ("vm/web-1", "vm", Name("web-1")),
        ("virtualmachines.quantix.io/web-1", "vm", Name("web-1")),
        ("shared/tiny", "image", Name("tiny", "quantix-shared")),
        ("image/shared/tiny", "image", Name("tiny", "quantix-shared")),
        ("shared/*", "network", Name("*", "quantix-shared")),
        ("shared/default", "router", Name("default", "quantix-shared")),
    ],
)
def test_a_name_may_say_its_kind_and_that_it_is_shared(typed: str, noun: str, meant: Name) -> None:
    assert parse_name(typed, noun) == meant


@pytest.mark.parametrize(
    ("typed", "noun", "said"),
    [
        ("shared/web-1", "vm", "shared/web-1 is no name of a VM: it cannot be shared."),
        ("shared/box", "host", "shared/box is no name of a host: it cannot be shared."),
        ("image/tiny", "vm", "image/tiny is not a VM."),
        ("default/web-1", "vm", "default/web-1 is no name of a VM."),
    ],
)
def test_a_name_of_something_else_is_wrong_usage(typed: str, noun: str, said: str) -> None:
    with pytest.raises(CommandError) as raised:
        parse_name(typed, noun)
    assert (raised.value.exit_code, raised.value.message) == (Exit.USAGE, said)


def test_shared_is_meant_only_where_it_is_said() -> None:
    shared = pick(IMAGES, [Name("tiny", "quantix-shared")], "image", "default")
    assert [obj["metadata"]["name"] for obj in shared.objects] == ["tiny"]
    assert len(pick(IMAGES, [Name("*")], "image", "default").objects) == 1
    with pytest.raises(CommandError) as raised:
        pick(IMAGES, [Name("tiny")], "image", "default")
    assert raised.value.message == "There is no image tiny here. Did you mean shared/tiny?"
    assert raised.value.hint == "qx image list 'shared/*'", "a list without it only counts them"


def test_one_name_in_several_namespaces_counts_as_not_typed_out() -> None:
    twice = [{"metadata": {"name": "web-1", "namespace": namespace}} for namespace in ("a", "b")]
    assert not pick(twice, [Name("web-1")], "vm", None).typed_out


@pytest.mark.parametrize(
    ("obj", "noun", "home", "typed"),
    [
        (IMAGES[0], "image", "default", "shared/tiny"),
        (IMAGES[0], "image", "quantix-shared", "tiny"),
        (IMAGES[1], "image", "default", "mine"),
        (IMAGES[1], "image", "shop", "mine -n default"),
        ({"metadata": {"name": "box"}}, "host", "default", "box"),
        ({"metadata": IMAGES[0]["metadata"]}, "router", "default", "shared/tiny"),
    ],
)
def test_a_command_that_is_offered_finds_its_object(
    obj: dict[str, Any], noun: str, home: str, typed: str
) -> None:
    assert reference(obj, noun, home) == typed


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["web-1", "web-2", "web-3"], "There is no VM web-3 here."),
        (["web-1", "web-3"], "There is no VM web-3 here. Did you mean web-2?"),
    ],
)
def test_no_name_is_offered_that_was_typed(typed: list[str], said: str) -> None:
    with pytest.raises(CommandError) as raised:
        names(typed)
    assert raised.value.message == said


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(CommandError) as raised:
        pick(VMS, [Name("wep-1")], "vm")
    assert raised.value.message == "There is no VM wep-1 here. Did you mean web-1?"


@pytest.mark.parametrize(("typed", "meant"), [("strat", "start"), ("lst", "list"), ("resrart", "restart")])
def test_a_misspelt_verb_gets_the_nearest(typed: str, meant: str) -> None:
    said = unknown("verb", typed, NOUNS["vm"][1], "for vm")
    assert said == f'No verb "{typed}" for vm. Did you mean {meant}?'


@pytest.mark.parametrize(("typed", "meant"), [("datastore", "pool"), ("ESXi", "host"), ("volme", "volume")])
def test_words_of_other_platforms_are_understood(typed: str, meant: str) -> None:
    known = dict.fromkeys([*NOUNS, *COMMANDS])
    assert unknown("noun or command", typed, known, "").endswith(f"Did you mean {meant}?")


def test_each_kubeconfig_comes_before_the_next(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("flag", "own", "kube")}
    for file in files.values():
        file.write_text("")
    environment = {"QUANTIX_KUBECONFIG": str(files["own"]), "KUBECONFIG": str(files["kube"])}
    assert choose(str(files["flag"]), None, read_settings(environment)).kubeconfig == files["flag"]
    assert choose(None, None, read_settings(environment)).kubeconfig == files["own"]
    del environment["QUANTIX_KUBECONFIG"]
    assert choose(None, None, read_settings(environment)).kubeconfig == files["kube"]


def test_without_any_cluster_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as raised:
        choose(None, None, read_settings({"QUANTIX_ROOT": str(tmp_path), "HOME": str(tmp_path)}))
    assert raised.value.exit_code is Exit.UNREACHABLE
    assert "make up" in raised.value.hint


@pytest.mark.parametrize(
    ("typed", "passed", "left"),
    [
        (b"ls\r", b"ls\r", False),
        (b"ls\x1dmore", b"ls", True),
        (b"\r~.", b"\r", True),
        (b"~.", b"", True),
        (b"a~.", b"a~.", False),
        (b"\r~a", b"\r~a", False),
        (b"\r~~.", b"\r~~.", False),
        (b"\r\x1b[12;80R~.", b"\r\x1b[12;80R", True),
        (b"\r~\x1b[1;1R.", b"\r\x1b[1;1R", True),
        (b"ls\x1b[A\x1d", b"ls\x1b[A", True),
        (b"\x1b[\x1d", b"\x1b[", True),
    ],
)
def test_the_keys_that_leave_a_console(typed: bytes, passed: bytes, left: bool) -> None:
    scanner = EscapeScanner(parse_escape("^]"))
    assert (scanner.feed(typed), scanner.left) == (passed, left)


def test_the_keys_may_arrive_one_by_one() -> None:
    scanner = EscapeScanner(parse_escape("^]"))
    assert [scanner.feed(key) for key in (b"\r", b"~", b".")] == [b"\r", b"", b""]
    assert scanner.left


def test_an_escape_that_is_no_control_key_is_refused() -> None:
    with pytest.raises(CommandError):
        parse_escape("x")


@pytest.mark.parametrize(
    ("file", "name"), [("Debian 13.qcow2", "debian-13"), ("a_b.img", "a-b"), ("x.iso", "x"), ("---", "image")]
)
def test_an_image_is_named_after_its_file(file: str, name: str) -> None:
    assert name_from(Path(file), "image") == name


@pytest.mark.parametrize(
    ("spec", "conditions", "said"),
    [
        ({"upload": {}}, [("Ready", "True", "It was checked.")], "has its content already"),
        (
            {"url": "https://a.example/x"},
            [("Ready", "False", "It comes.")],
            "not made from a file that is sent",
        ),
        (
            {"upload": {}},
            [("Ready", "False", "The file is no disk. Try: x."), ("Stalled", "True", "")],
            "was refused: The file is no disk.",
        ),
        ({"upload": {}}, [("Ready", "Unknown", "Nobody has looked.")], ""),
        ({"upload": {}}, [], ""),
    ],
)
def test_an_image_that_takes_no_file_is_told_at_once(
    spec: dict[str, Any], conditions: list[tuple[str, str, str]], said: str
) -> None:
    known = [{"type": kind, "status": status, "message": message} for kind, status, message in conditions]
    image = {"metadata": {"name": "x"}, "spec": spec, "status": {"conditions": known}}
    if not said:
        refuse_other_content(image)
        return
    with pytest.raises(CommandError, match=said) as refused:
        refuse_other_content(image)
    assert refused.value.exit_code is Exit.REFUSED
