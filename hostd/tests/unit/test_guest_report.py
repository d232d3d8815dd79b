"""What is kept of a guest's words: only what can be shown, little of it, and addresses that are some."""

from __future__ import annotations

import pytest

from quantix_hostd.facts.guest import GuestAddress, guest_report, shown

MAC = "02:00:00:00:00:01"


def interface(*addresses: object, mac: object = MAC) -> dict[str, object]:
    return {"hwaddr": mac, "addrs": [{"addr": address, "prefix": 24, "type": 0} for address in addresses]}


def test_an_honest_guest_is_shown_as_it_is() -> None:
    info = {
        "hostname": "web-1",
        "os.pretty-name": "Debian GNU/Linux 13 (trixie)",
        "os.name": "Debian GNU/Linux",
        "os.kernel-release": "6.12.1+deb13-cloud-amd64",
    }
    lo = interface("127.0.0.1", "::1", mac="00:00:00:00:00:00")
    report = guest_report(info, {"lo": lo, "eth0": interface("10.0.0.5", "fd00::5", "fe80::1")})
    assert (report.hostname, report.os) == ("web-1", "Debian GNU/Linux 13 (trixie)")
    assert report.kernel == "6.12.1+deb13-cloud-amd64"
    assert report.addresses == (GuestAddress(MAC, "10.0.0.5"), GuestAddress(MAC, "fd00::5"))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\x1b[2Jb\r\nc", "a [2Jb c"),
        ("\u202egnp.exe", "gnp.exe"),
        ("x" * 10_000_000, "x" * 253),
        ("\0" * 2000 + "web", ""),
        (b"web", ""),
        (None, ""),
        (7, ""),
        ({"a": 1}, ""),
    ],
)
def test_a_text_is_one_short_line_without_control_characters(said: object, kept: str) -> None:
    assert shown(said, 253) == kept


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fd00::1%eth0",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "::",
        ),
        *("10.0.0.5/24", "10.0.0", "010.0.0.5", "web-1", "", "1" * 1000, None, 7, ["10.0.0.5"]),
    ],
)
def test_what_is_no_address_to_be_reached_by_is_passed_over(address: object) -> None:
    assert guest_report({}, {"eth0": interface(address)}).addresses == ()


@pytest.mark.parametrize(
    "interfaces",
    [
        {"eth0": None},
        {"eth0": ["10.0.0.5"]},
        {"eth0": {"hwaddr": None, "addrs": []}},
        {"eth0": {"hwaddr": MAC, "addrs": None}},
        {"eth0": {"hwaddr": MAC, "addrs": ["10.0.0.5", None, 1]}},
    ],
)
def test_an_interface_of_another_form_is_passed_over(interfaces: dict[str, object]) -> None:
    assert guest_report({}, interfaces).addresses == ()


def test_thousands_of_addresses_become_a_few() -> None:
    many = {
        f"eth{number}": interface(*(f"10.{number % 256}.{last}.1" for last in range(200)))
        for number in range(2000)
    }
    assert len(guest_report({}, many).addresses) == 64


def test_the_order_in_which_a_guest_lists_them_changes_nothing() -> None:
    there = guest_report(
        {}, {"a": interface("10.0.0.9", "10.0.0.10"), "b": interface("fd00::1", mac="02::2")}
    )
    back = guest_report({}, {"b": interface("fd00::1", mac="02::2"), "a": interface("10.0.0.10", "10.0.0.9")})
    assert there == back
    assert [item.address for item in there.addresses] == ["10.0.0.9", "10.0.0.10", "fd00::1"]
