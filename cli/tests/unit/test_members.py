"""Who may become a member, by which address, and what the first machine tells it."""

import base64
import json
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_cli.joining_word import JoiningWord
from quantix_cli.place import Place
from quantix_cli.up.start.addresses import judge_address, read_addresses
from quantix_cli.up.start.admitting import server_for_others
from quantix_cli.up.start.member import api_address, refuse_other_place
from quantix_client.kubeconfig import Access

WORD = JoiningWord("https://10.0.0.11:6443", "pem", "h2", "ssl:10.0.0.11:6642", "abcdef.0123456789abcdef")
OPEN = Place("10.0.0.11")


def reason_of(layout: Layout, place: Place | None = None, host: str | None = None) -> str:
    with pytest.raises(PermanentError) as refused:
        refuse_other_place(layout, place, WORD, host)
    return refused.value.reason


def test_a_machine_with_a_cluster_of_its_own_does_not_join(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    refuse_other_place(layout, None, WORD, None)
    layout.control_plane_data.mkdir(parents=True)
    assert reason_of(layout) == "OwnCluster"


def test_a_member_joins_its_own_cluster_again_and_no_other(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    refuse_other_place(layout, Place("10.0.0.12", "h2", WORD.southbound), WORD, "h2")
    assert reason_of(layout, Place("10.0.0.12", "h2", "ssl:10.9.9.9:6642")) == "OtherCluster"
    assert reason_of(layout, Place("10.0.0.12", "h3", WORD.southbound)) == "OtherCluster"


def test_a_machine_that_was_told_its_name_takes_no_word_for_another(tmp_path: Path) -> None:
    assert reason_of(Layout(tmp_path), host="h3") == "OtherHost"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "0.0.0.0", "fe80::1", "224.0.0.1", "h1", "10.0.0.99"]
)
def test_an_address_that_others_do_not_reach_is_refused(address: str) -> None:
    with pytest.raises(PermanentError) as refused:
        judge_address(address, ["10.0.0.11", "fd00::11"])
    assert refused.value.reason == "AddressRefused"


def test_an_address_is_taken_in_its_one_form() -> None:
    assert judge_address("FD00:0::11", ["fd00::11"]) == "fd00::11"


def test_addresses_of_guests_networks_are_not_the_machines() -> None:
    shown = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]},
        {"ifname": "eth0", "addr_info": [{"local": "10.0.0.11"}, {"local": "fe80::1"}]},
        {"ifname": "qx-ex", "addr_info": [{"local": "10.78.0.1"}]},
        {"ifname": "qxh0", "addr_info": [{"local": "10.77.0.2"}]},
        {"ifname": "qx-phy", "addr_info": [{"local": "10.1.0.11"}]},
    ]
    assert read_addresses(json.dumps(shown)) == ["10.0.0.11", "10.1.0.11"]
    assert read_addresses("") == []


def test_the_api_is_named_as_others_reach_it() -> None:
    own = Access("https://127.0.0.1:7443")
    assert server_for_others(own, OPEN, is_own=True) == "https://10.0.0.11:7443"
    assert server_for_others(own, Place("fd00::11"), is_own=True) == "https://[fd00::11]:7443"
    theirs = Access("https://api.example:6443")
    assert server_for_others(theirs, OPEN, is_own=False) == "https://api.example:6443"


@pytest.mark.parametrize("server", ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443"])
def test_a_cluster_of_the_users_own_on_loopback_takes_no_members(server: str) -> None:
    with pytest.raises(PermanentError) as refused:
        server_for_others(Access(server), OPEN, is_own=False)
    assert refused.value.reason == "ApiNotReachable"


def test_a_word_without_an_api_is_refused() -> None:
    assert api_address(WORD) == "10.0.0.11"
    with pytest.raises(PermanentError):
        api_address(JoiningWord("nonsense", "pem", "h2", "ssl:10.0.0.11:6642", "t"))


def test_a_token_is_for_exactly_one_host() -> None:
    from datetime import UTC, datetime

    from quantix_cli.up.start.credentials import ADMITTED_LIFE, render_bootstrap_secret

    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    data = render_bootstrap_secret("h2", "abcdef", "0123456789abcdef", now, ADMITTED_LIFE)["data"]
    said = {key: base64.b64decode(value).decode() for key, value in data.items()}
    assert (said["host"], said["expiration"]) == ("h2", "2026-11-29T13:00:00Z")
