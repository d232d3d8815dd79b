"""Which certificate requests are approved, denied, left waiting or left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_operator.certificates.plan import (
    Approve,
    Decision,
    Deny,
    HostFacts,
    Ignore,
    Requester,
    Wait,
    decide,
)
from quantix_operator.certificates.request import CertificateRequest

CLIENT = "kubernetes.io/kube-apiserver-client"
SERVING = "quantix.io/serving"
TOKEN = Requester(
    "system:bootstrap:abc123",
    frozenset({"system:bootstrappers", "system:bootstrappers:quantix"}),
    CLIENT,
    frozenset({"client auth", "digital signature"}),
)
HOST = Requester(
    "quantix:host:h1", frozenset({"quantix:hosts", "system:authenticated"}), CLIENT, TOKEN.usages
)
SERVER = replace(HOST, signer=SERVING, usages=frozenset({"server auth", "client auth", "digital signature"}))
ALICE = Requester("alice", frozenset({"system:authenticated"}), CLIENT, TOKEN.usages)
FOR_H1 = CertificateRequest("quantix:host:h1", ("quantix:hosts",))
NAMED = replace(FOR_H1, dns_names=("h1",), ip_addresses=("192.0.2.1", "fd00::1"))
UID, OTHER_UID = "aaaaaaaa-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
FOR_OVN = CertificateRequest(UID, ("quantix:hosts",))
FOR_MOVES = replace(NAMED, common_name="quantix:migration:h1")
THERE = HostFacts(frozenset({"192.0.2.1", "fd00::1"}), frozenset({"192.0.2.9"}), UID)


def reason(decision: Decision) -> str:
    return decision.reason if isinstance(decision, Approve | Deny) else type(decision).__name__


CASES: list[tuple[str, Requester, CertificateRequest, str | None, HostFacts, str]] = [
    ("a token gets its host's certificate", TOKEN, FOR_H1, "h1", HostFacts(), "Joins"),
    ("a token for another host", TOKEN, FOR_H1, "h2", HostFacts(), "WrongName"),
    ("a token that is used up or names no host", TOKEN, FOR_H1, None, HostFacts(), "TokenUnknown"),
    ("a host renews its own", HOST, FOR_H1, None, THERE, "Renews"),
    ("a host that was removed", HOST, FOR_H1, None, HostFacts(), "HostUnknown"),
    (
        "a host asks for another",
        HOST,
        replace(FOR_H1, common_name="quantix:host:h2"),
        None,
        THERE,
        "WrongName",
    ),
    ("a host asks for root", HOST, replace(FOR_H1, common_name="admin"), None, THERE, "WrongName"),
    (
        "a host asks to be a master",
        HOST,
        replace(FOR_H1, organizations=("quantix:hosts", "system:masters")),
        None,
        THERE,
        "WrongGroup",
    ),
    ("no group", HOST, replace(FOR_H1, organizations=()), None, THERE, "WrongGroup"),
    ("names in a client certificate", HOST, NAMED, None, THERE, "Unexpected"),
    ("other things in it", TOKEN, replace(FOR_H1, strange=("an e-mail",)), "h1", HostFacts(), "Unexpected"),
    ("a weak key", TOKEN, replace(FOR_H1, weak_key="an RSA key of 1024 bits"), "h1", HostFacts(), "WeakKey"),
    (
        "a client certificate that may also serve",
        replace(TOKEN, usages=frozenset({"client auth", "server auth"})),
        FOR_H1,
        "h1",
        HostFacts(),
        "WrongUsages",
    ),
    ("no usage", replace(TOKEN, usages=frozenset()), FOR_H1, "h1", HostFacts(), "WrongUsages"),
    ("a person asks for a host", ALICE, FOR_H1, None, THERE, "NotAHost"),
    (
        "a person asks for the hosts' group",
        ALICE,
        CertificateRequest("alice", ("quantix:hosts",)),
        None,
        THERE,
        "NotAHost",
    ),
    ("a person asks for herself", ALICE, CertificateRequest("alice", ()), None, THERE, "Ignore"),
    (
        "somebody called like a host, without the group",
        replace(HOST, groups=frozenset({"system:authenticated"})),
        FOR_H1,
        None,
        THERE,
        "NotAHost",
    ),
    (
        "a token of kubeadm's group",
        replace(TOKEN, groups=frozenset({"system:bootstrappers"})),
        CertificateRequest("system:node:n1", ("system:nodes",)),
        None,
        HostFacts(),
        "Ignore",
    ),
    ("another signer", replace(HOST, signer="example.com/x"), FOR_H1, None, THERE, "Ignore"),
    ("a host serves under its name and addresses", SERVER, NAMED, None, THERE, "Serves"),
    ("a host that has not reported yet", SERVER, NAMED, None, HostFacts(frozenset()), "Wait"),
    ("a host that is not there yet", SERVER, NAMED, None, HostFacts(), "Wait"),
    ("another's name", SERVER, replace(NAMED, dns_names=("h2",)), None, THERE, "WrongName"),
    ("a wildcard", SERVER, replace(NAMED, dns_names=("*",)), None, THERE, "WrongName"),
    ("another's address", SERVER, replace(NAMED, ip_addresses=("192.0.2.9",)), None, THERE, "WrongAddress"),
    (
        "an address that two report",
        SERVER,
        NAMED,
        None,
        replace(THERE, foreign_addresses=frozenset({"192.0.2.1"})),
        "AddressShared",
    ),
    (
        "loopback on two hosts of one machine",
        SERVER,
        replace(NAMED, ip_addresses=("127.0.0.1",)),
        None,
        HostFacts(frozenset({"127.0.0.1"}), frozenset({"127.0.0.1"})),
        "Serves",
    ),
    ("a serving certificate without names", SERVER, FOR_H1, None, THERE, "NoNames"),
    (
        "a serving certificate that cannot serve",
        replace(SERVER, usages=frozenset({"client auth"})),
        NAMED,
        None,
        THERE,
        "WrongUsages",
    ),
    ("a token wants to serve", replace(TOKEN, signer=SERVING), NAMED, "h1", THERE, "NotAHost"),
    ("a person wants to serve", replace(ALICE, signer=SERVING), NAMED, None, THERE, "NotAHost"),
    ("a host is known to OVN by the UID of its Host", SERVER, FOR_OVN, None, THERE, "Connects"),
    (
        "for OVN, with its own name and addresses",
        SERVER,
        replace(NAMED, common_name=UID),
        None,
        THERE,
        "Connects",
    ),
    (
        "for OVN, before it has reported addresses",
        SERVER,
        FOR_OVN,
        None,
        HostFacts(frozenset(), uid=UID),
        "Connects",
    ),
    (
        "for OVN, with addresses that it has not reported yet",
        SERVER,
        replace(NAMED, common_name=UID),
        None,
        HostFacts(frozenset(), uid=UID),
        "Wait",
    ),
    ("a host shows one while guests move", SERVER, FOR_MOVES, None, THERE, "Moves"),
    (
        "for moves, of another host",
        SERVER,
        replace(FOR_MOVES, common_name="quantix:migration:h2"),
        None,
        THERE,
        "WrongName",
    ),
    ("for moves, of a host that is not there", SERVER, FOR_MOVES, None, HostFacts(), "Wait"),
    ("a person wants one for moves", replace(ALICE, signer=SERVING), FOR_MOVES, None, THERE, "NotAHost"),
    ("another host's UID", SERVER, replace(FOR_OVN, common_name=OTHER_UID), None, THERE, "WrongName"),
    ("its UID in another form", SERVER, replace(FOR_OVN, common_name=UID.upper()), None, THERE, "WrongName"),
    ("a UID of a Host that is not there yet", SERVER, FOR_OVN, None, HostFacts(), "Wait"),
    (
        "no name at all, of a Host that is not there",
        SERVER,
        replace(FOR_OVN, common_name=""),
        None,
        HostFacts(),
        "WrongName",
    ),
    ("for OVN, with another's name", SERVER, replace(FOR_OVN, dns_names=("h2",)), None, THERE, "WrongName"),
    (
        "for OVN, with another's address",
        SERVER,
        replace(FOR_OVN, ip_addresses=("192.0.2.9",)),
        None,
        THERE,
        "WrongAddress",
    ),
    ("for OVN, of another group", SERVER, replace(FOR_OVN, organizations=()), None, THERE, "WrongGroup"),
    ("for OVN, with a weak key", SERVER, replace(FOR_OVN, weak_key="a short key"), None, THERE, "WeakKey"),
    (
        "for OVN, as a client only",
        replace(SERVER, usages=frozenset({"client auth", "digital signature"})),
        FOR_OVN,
        None,
        THERE,
        "WrongUsages",
    ),
    (
        "for OVN, to sign others",
        replace(SERVER, usages=SERVER.usages | {"cert sign"}),
        FOR_OVN,
        None,
        THERE,
        "WrongUsages",
    ),
    ("a UID of the API's own signer", HOST, FOR_OVN, None, THERE, "WrongName"),
    ("a token wants OVN", replace(TOKEN, signer=SERVING), FOR_OVN, "h1", THERE, "WrongName"),
    (
        "a token that is used up wants OVN",
        replace(TOKEN, signer=SERVING),
        FOR_OVN,
        None,
        THERE,
        "TokenUnknown",
    ),
    ("a person wants OVN", replace(ALICE, signer=SERVING), FOR_OVN, None, THERE, "NotAHost"),
]


@pytest.mark.parametrize(
    ("requester", "request_", "token_host", "facts", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_the_verdict(
    requester: Requester,
    request_: CertificateRequest,
    token_host: str | None,
    facts: HostFacts,
    expected: str,
) -> None:
    assert reason(decide(requester, request_, token_host, facts)) == expected


names = st.sampled_from(["quantix:host:h1", "quantix:host:h2", "admin", "system:masters", "", UID, OTHER_UID])
groups = st.frozensets(st.sampled_from(["quantix:hosts", "system:bootstrappers:quantix", "system:masters"]))


@given(
    requester=st.builds(
        Requester,
        user=st.sampled_from(["quantix:host:h1", "quantix:host:h2", "system:bootstrap:abc123", "alice"]),
        groups=groups,
        signer=st.sampled_from([CLIENT, SERVING]),
        usages=st.frozensets(
            st.sampled_from(["client auth", "server auth", "digital signature", "cert sign"])
        ),
    ),
    request_=st.builds(
        CertificateRequest,
        common_name=names,
        organizations=st.lists(st.sampled_from(["quantix:hosts", "system:masters"])).map(tuple),
        dns_names=st.lists(st.sampled_from(["h1", "h2"])).map(tuple),
        ip_addresses=st.lists(st.sampled_from(["192.0.2.1", "192.0.2.9"])).map(tuple),
    ),
    token_host=st.sampled_from([None, "h1", "h2"]),
)
def test_whatever_is_approved_is_for_the_host_that_asks_and_for_hosts_only(
    requester: Requester, request_: CertificateRequest, token_host: str | None
) -> None:
    decision = decide(requester, request_, token_host, THERE)
    if not isinstance(decision, Approve):
        assert isinstance(decision, Deny | Wait | Ignore)
        return
    own_name = f"quantix:host:{decision.host}"
    assert request_.common_name == own_name or (request_.common_name == UID and requester.signer == SERVING)
    assert request_.organizations == ("quantix:hosts",)
    assert requester.user == own_name or (
        requester.user.startswith("system:bootstrap:") and decision.host == token_host
    )
    assert set(request_.dns_names) <= {decision.host}
    assert set(request_.ip_addresses) <= {"192.0.2.1"}
    assert "cert sign" not in requester.usages
