"""What a support bundle holds, and what is taken out of it."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from quantix_api.layout import Layout
from quantix_cli.bundle import collecting
from quantix_cli.bundle.archive import MOST_BYTES, MOST_ENTRY_BYTES, Bundle
from quantix_cli.bundle.redaction import REMOVED, Redactor

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4eXoifQ.c2lnbmF0dXJl"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"a\n{KEY}\nb", f"a\n{REMOVED}\nb"),
        (KEY[:40], REMOVED),
        (f"{KEY[40:]}\nb", f"{REMOVED}\nb"),
        (f"got {JWT}.", f"got {REMOVED}."),
        ("Authorization: Bearer abcdef0123456789", f"Authorization: {REMOVED}"),
        ("https://bob:pw@example.com/x", f"https://{REMOVED}@example.com/x"),
        ("GET https://example.com/x.img?sig=abc&e=1 200", f"GET https://example.com/x.img?{REMOVED} 200"),
        ("db_password=hunter2, next", f"db_password={REMOVED}, next"),
        ('{"token": "a b c", "x": 1}', f'{{"token": {REMOVED}, "x": 1}}'),
        ("client-key-data: TUhjQ0FRRUU=", f"client-key-data: {REMOVED}"),
        ("secretRef: {name: ceph}", "secretRef: {name: ceph}"),
        ("3 tokens were made", "3 tokens were made"),
    ],
)  # fmt: skip
def test_a_secret_is_taken_out_of_a_text(text: str, left: str) -> None:
    assert Redactor().text(text) == left


def test_text_of_a_guest_moves_no_cursor() -> None:
    assert Redactor().text("a\x1b[2Jb\rc\u202ed\tend\r\n") == "a\\x1b[2Jb\\x0dc\\x202ed\tend\n"


@pytest.mark.parametrize(
    "hostile", ["eyJ-", "http://", "-----BEGIN ", "token ", "a-", "Bearer ", "://a:", "::1:"]
)
def test_text_that_nearly_is_a_secret_again_and_again_ends_all_the_same(hostile: str) -> None:
    text = hostile * (200_000 // len(hostile))
    assert Redactor(anonymous=True).text(text)


def test_addresses_stay_unless_it_is_to_be_anonymous_and_are_then_one_word_each() -> None:
    text = "10.0.0.5 to 10.0.0.6 and 10.0.0.5, fd00:1::5, 52:54:00:12:34:56, 12:30:07, 1.2.3"
    assert Redactor().text(text) == text
    assert Redactor(anonymous=True).text(text) == (
        "ipv4-1 to ipv4-2 and ipv4-1, ipv6-1, mac-1, 12:30:07, 1.2.3"
    )


def test_what_belongs_to_a_guest_is_taken_out_of_its_vm_and_counted() -> None:
    vm: dict[str, Any] = {
        "metadata": {
            "name": "web-1", "managedFields": [{}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "mine"},
        },
        "spec": {"cpu": {"cores": 2}, "cloudInit": {"userData": "x", "sshAuthorizedKeys": ["y"],
                                                   "hostname": "h"}},
    }  # fmt: skip
    redactor = Redactor()
    left = redactor.object(vm)
    assert left["spec"] == {
        "cpu": {"cores": 2},
        "cloudInit": {"userData": REMOVED, "sshAuthorizedKeys": REMOVED, "hostname": "h"},
    }
    assert left["metadata"]["annotations"]["note"] == "mine"
    assert "managedFields" not in left["metadata"]
    assert redactor.removed["spec.cloudInit.userData of VMs"] == 1
    assert vm["spec"]["cloudInit"]["userData"] == "x"


def test_of_a_long_text_the_end_is_kept_and_what_is_missing_is_said() -> None:
    bundle = Bundle(Redactor())
    bundle.add("logs/x.log", "first\n" + "middle\n" * (MOST_ENTRY_BYTES // 7) + "last\n")
    assert bundle.entries["logs/x.log"].endswith("last\n")
    assert "first" not in bundle.entries["logs/x.log"]
    assert "the beginning of logs/x.log" in bundle.readme()


def test_a_bundle_takes_no_more_than_it_may_hold() -> None:
    bundle = Bundle(Redactor(), entries={"a": "x" * MOST_BYTES})
    bundle.add("b", "more")
    assert "b" not in bundle.entries
    assert "b: the bundle holds 48 MiB already" in bundle.readme()


def test_the_file_is_its_owners_alone_has_a_readme_and_overwrites_nothing(tmp_path: Path) -> None:
    bundle = Bundle(Redactor(), left_out={"logs\x1b": "gone"})
    bundle.add("versions.txt", "qx 0.1.0\n")
    file = tmp_path / "x.tar.gz"
    bundle.write(file)
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as tar:
        assert tar.getnames() == ["x/README.txt", "x/versions.txt"]
        readme = tar.extractfile("x/README.txt")
        assert readme is not None
        text = readme.read().decode()
    assert "logs\\x1b: gone" in text
    with pytest.raises(FileExistsError):
        bundle.write(file)


def test_our_logs_are_taken_and_consoles_are_not(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for name in ("hostd.log", "libvirt/qemu/qx-1.log", "vm/1/console.log"):
        path = layout.log / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("password: hunter2\n")
    bundle = Bundle(Redactor())
    collecting.logs(bundle, layout)
    assert set(bundle.entries) == {"logs/hostd.log", "logs/libvirt-qemu-qx-1.log"}
    assert set(bundle.entries.values()) == {f"password: {REMOVED}\n"}


def test_a_machine_without_logs_says_so(tmp_path: Path) -> None:
    bundle = Bundle(Redactor())
    collecting.logs(bundle, Layout(tmp_path))
    assert "there are none in" in bundle.left_out["logs"]
