"""What `qx vm ssh` and `make up` know to stand between this machine and a guest's port."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.message_text import text_of
from quantix_cli.commands.ssh import Guest, is_detour, tell_beforehand
from quantix_cli.exits import CommandError, Exit
from quantix_cli.ways_in import Gate, nic_of, no_key, not_up, read_gate, shut
from quantix_client.errors import Forbidden, NotFound
from quantix_lab.qx_session import PIPE, qx_session

ADDRESS, HERE = "10.77.0.61", "10.77.255.2"
SSH = {"protocol": "TCP", "ports": [{"port": 22}]}
ETH0 = {"name": "eth0", "network": "shared/default"}


def vm(*nics: dict[str, Any], cloud_init: dict[str, Any] | None = None, **ready: str) -> dict[str, Any]:
    return {
        "kind": "VirtualMachine",
        "metadata": {"name": "web-1", "namespace": "default"},
        "spec": {"nics": list(nics or (ETH0,)), "cloudInit": cloud_init or {}},
        "status": {
            "phase": "Running",
            "nics": [{"name": "eth0", "addresses": [ADDRESS]}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "Running"} | ready],
        },
    }


def group(*rules: dict[str, Any], name: str = "web") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ingress": list(rules)} if rules else {}}


def gate(*groups: dict[str, Any], machine: dict[str, Any] | None = None) -> Gate:
    return Gate(machine or vm(), ETH0, groups)


@pytest.mark.parametrize(
    "rule",
    [
        SSH,
        {},
        {"protocol": "Any"},
        {"protocol": "TCP"},
        {"protocol": "TCP", "ports": [{"port": 20, "endPort": 30}]},
        SSH | {"from": [{"group": "lb"}, {"cidr": "10.77.0.0/16"}]},
    ],
)
def test_a_rule_that_lets_this_machine_in_is_nothing_to_speak_of(rule: dict[str, Any]) -> None:
    assert shut(gate(group({"protocol": "ICMP"}), group(rule, name="more")), 22, HERE) is None


@pytest.mark.parametrize(
    "rule",
    [
        None,
        {"protocol": "UDP"},
        {"protocol": "ICMP"},
        {"protocol": "TCP", "ports": [{"port": 80}, {"port": 23, "endPort": 90}]},
    ],
)
def test_without_a_rule_nobody_gets_in_and_the_command_that_opens_it_is_told(rule: Any) -> None:
    found = shut(gate(group(*([rule] if rule else []))), 22, HERE)
    assert found is not None
    assert found.is_sure
    assert found.said == "No rule of security group web lets TCP 22 in to web-1."
    assert found.hint == "qx securitygroup set web --allow tcp:22"


def test_rules_for_others_are_told_and_not_held_for_sure() -> None:
    lets = SSH | {"from": [{"cidr": "192.168.0.0/24"}, {"group": "lb"}]}
    found = shut(gate(group(lets), group(name="db")), 22, HERE)
    assert found is not None
    assert not found.is_sure
    assert found.said == (
        "The rules of security groups web and db let TCP 22 in to web-1 from 192.168.0.0/24, group lb only, "
        f"and this machine comes from {HERE}."
    )
    assert found.hint == f"qx securitygroup set web --allow tcp:22 --from {HERE}"


def test_whether_rules_for_others_are_why_is_not_known_without_an_address_of_ones_own() -> None:
    assert shut(gate(group(SSH | {"from": [{"cidr": "192.168.0.0/24"}]})), 22) is None


def test_a_nic_in_no_group_is_reached_by_nobody() -> None:
    found = shut(gate(), 22)
    assert found is not None
    assert found.is_sure
    assert "NIC eth0 of web-1 is in no security group" in found.said


def test_an_address_that_only_the_guest_tells_of_is_of_no_nic() -> None:
    assert nic_of(vm(), ADDRESS) == ETH0
    assert nic_of(vm(), "172.17.0.1") == {}


class Groups:
    """An API that has these groups."""

    def __init__(self, error: Exception | None = None, **groups: dict[str, Any]) -> None:
        self.error, self.groups = error, groups

    async def get(self, _: object, name: str, __: str) -> dict[str, Any]:
        if self.error:
            raise self.error
        return self.groups[name]


async def judged(api: Groups, machine: dict[str, Any]) -> bool:
    return shut(await read_gate(qx_session(api).api, machine, ADDRESS), 22) is not None


async def test_a_nic_that_names_no_group_is_judged_by_the_default_one() -> None:
    assert await judged(Groups(default=group(name="default")), vm())
    assert not await judged(Groups(default=group(SSH, name="default")), vm())


@pytest.mark.parametrize("api", [Groups(Forbidden("no")), Groups(NotFound("no"))], ids=["may not", "gone"])
async def test_what_cannot_be_read_is_not_judged(api: Groups) -> None:
    assert not await judged(api, vm())


async def test_without_port_security_everything_gets_in() -> None:
    assert not await judged(Groups(), vm(ETH0 | {"portSecurity": "Disabled"}))


def guest(way: Gate) -> Guest:
    return Guest("web-1", "uid", ADDRESS, "debian", "box", way)


def test_ssh_is_not_sent_to_a_port_that_is_shut_but_on_a_detour(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError) as refused:
        tell_beforehand(PIPE, guest(gate(group())), 22)
    assert refused.value.exit_code is Exit.REFUSED
    tell_beforehand(PIPE, guest(gate(group())), 22, detour=is_detour(("-o", "ProxyCommand=x")))
    assert capsys.readouterr().err == ""


def test_that_the_guest_is_not_up_is_told_before_ssh_tries(capsys: pytest.CaptureFixture[str]) -> None:
    message = text_of("It runs and its agent does not answer yet.", "wait")
    booting = vm(status="False", reason="GuestNotReady", message=message)
    tell_beforehand(PIPE, guest(gate(group(SSH), machine=booting)), 22)
    said = "web-1 is not ready: it runs and its agent does not answer yet (GuestNotReady)."
    assert capsys.readouterr().err == f"{said} ssh tries all the same.\n"


def test_what_keeps_no_guest_from_answering_is_not_told() -> None:
    assert not_up(vm()) == ""
    assert not_up(vm(status="False", reason="PlugFailed", message="No slot.")) == ""
    assert not_up(vm(status="True", reason="Paused")).startswith("web-1 is not ready: paused")


MINE, OTHERS = "ssh-ed25519 AAAAmine me@box", "ssh-ed25519 AAAAother x"


@pytest.mark.parametrize(
    ("cloud_init", "own", "said"),
    [
        ({}, [MINE], "web-1 was given no SSH key."),
        ({}, [], "web-1 was given no SSH key."),
        ({"sshAuthorizedKeys": [OTHERS]}, [MINE], "None of your keys in ~/.ssh was given to web-1."),
        ({"sshAuthorizedKeys": [OTHERS]}, [], None),
        ({"sshAuthorizedKeys": [OTHERS, "restrict ssh-ed25519 AAAAmine"]}, [MINE], None),
        ({"userData": "#cloud-config"}, [MINE], None),
        ({"userDataSecretRef": {"name": "s"}}, [MINE], None),
    ],
)
def test_the_lack_of_a_key_is_told_where_the_users_own_text_brings_none(
    cloud_init: dict[str, Any], own: list[str], said: str | None
) -> None:
    found = no_key(vm(cloud_init=cloud_init), own)
    assert (found.said if found else None) == said
