"""Which address a port gets."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.network import Subnet
from quantix_api.subnet_roles import effective_gateway, role_of
from quantix_operator.northbound.addresses import (
    Pool,
    allocate,
    automatic_v6,
    choose_local_subnet,
    cluster_prefix,
    eui64,
    local_subnet,
    make_pool,
)

CLUSTER = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"


def pool_of(cidr: str, gateway: str | None = None, excluded: Iterable[tuple[str, str]] = ()) -> Pool:
    """The pool of a subnet as a manifest has it."""
    return make_pool(cidr, Subnet(cidr=cidr, gateway=gateway).effective_gateway, excluded)


@pytest.mark.parametrize(
    ("cidr", "gateway", "excluded", "size"),
    [
        ("10.0.0.0/24", None, [], 253),
        ("10.0.0.0/24", "10.0.0.254", [], 253),
        ("10.0.0.0/24", None, [("10.0.0.0", "10.0.0.9")], 245),
        ("10.0.0.0/24", None, [("10.0.0.10", "10.0.0.19"), ("10.0.0.15", "10.0.0.29")], 233),
        ("10.0.0.0/24", None, [("10.0.0.1", "10.0.0.255")], 0),
        ("fd00::/120", None, [("fd00::ff", "fd00::8")], 6),
        ("10.0.0.0/24", None, [("10.0.0.9", "fd00::9")], 253),
        ("10.0.0.0/30", None, [], 1),
        ("10.0.0.0/31", None, [], 1),
        ("10.0.0.0/32", None, [], 0),
        ("fd00::/64", None, [], 2**64 - 2),
    ],
)
def test_a_pool_knows_its_size(
    cidr: str, gateway: str | None, excluded: list[tuple[str, str]], size: int
) -> None:
    assert pool_of(cidr, gateway, excluded).size == size


def test_the_same_port_gets_the_same_address_and_another_one_another() -> None:
    pool = pool_of("10.0.0.0/16")
    assert allocate(pool, (), "vm", "eth0") == allocate(pool, (), "vm", "eth0")
    assert allocate(pool, (), "vm", "eth0") != allocate(pool, (), "vm", "eth1")


def test_a_taken_address_is_passed_over() -> None:
    pool = pool_of("10.0.0.0/24")
    first = allocate(pool, (), "vm", "eth0")
    second = allocate(pool, {str(first)}, "vm", "eth0")
    assert second not in (None, first)


@given(
    prefix=st.integers(24, 32),
    excluded=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=3),
)
def test_a_pool_gives_out_exactly_what_it_has(prefix: int, excluded: list[tuple[int, int]]) -> None:
    ranges = [(f"10.0.0.{min(pair)}", f"10.0.0.{max(pair)}") for pair in excluded]
    pool = pool_of(f"10.0.0.0/{prefix}", None, ranges)
    given_out: set[str] = set()
    while (address := allocate(pool, given_out, "vm", str(len(given_out)))) is not None:
        assert not pool.reserved(int(address))
        assert address in pool.prefix
        assert str(address) not in given_out
        given_out.add(str(address))
    assert len(given_out) == pool.size


def test_eui64_is_as_in_the_rfc() -> None:
    assert eui64(IPv6Network("fd00::/64"), "34:56:78:9a:bc:de") == ip_address("fd00::3656:78ff:fe9a:bcde")


def test_a_taken_eui64_address_gives_another_one() -> None:
    pool = pool_of("fd00::/64")
    mac = "02:00:00:00:00:01"
    first = automatic_v6(pool, mac, (), "vm", "eth0")
    assert first == ip_address("fd00::ff:fe00:1")
    assert automatic_v6(pool, mac, {str(first)}, "vm", "eth0") not in (None, first)


def test_a_subnet_that_is_no_64_has_no_eui64() -> None:
    pool = pool_of("fd00::/112")
    address = automatic_v6(pool, "02:00:00:00:00:01", (), "vm", "eth0")
    assert address is not None
    assert address in pool.prefix


def test_a_cluster_has_a_48_of_its_own_in_fd() -> None:
    prefix = cluster_prefix(CLUSTER)
    assert prefix.prefixlen == 48
    assert str(prefix).startswith("fd")
    assert prefix != cluster_prefix(OTHER)
    assert local_subnet(CLUSTER, 0xFFFF).subnet_of(prefix)


def test_networks_get_different_subnets_and_never_that_of_the_hosts() -> None:
    taken: set[str] = set()
    for number in range(200):
        # The same wish each time: the worst case for the probe
        subnet = choose_local_subnet(CLUSTER, OTHER if number % 2 else CLUSTER, taken)
        assert str(subnet) not in taken
        assert subnet not in (local_subnet(CLUSTER, 0), local_subnet(CLUSTER, 0xFFFF))
        taken.add(str(subnet))


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0/24", "10.0.0.4/30", "10.0.0.4/31", "10.0.0.4/32", "fd00::/121", "fd00::4/127"]
)
def test_what_is_reserved_has_a_role_that_can_be_told_and_nothing_else_has_one(cidr: str) -> None:
    """`qx` refuses by the role what the operator would refuse by its sums."""
    gateway, prefix = effective_gateway(cidr, None), ip_network(cidr)
    excluded = [(str(prefix[2]), str(prefix[3]))] if prefix.num_addresses > 4 else []
    pool = pool_of(cidr, excluded=excluded)
    reserved = [address for address in prefix if pool.reserved(int(address))]
    assert reserved == [at for at in prefix if role_of(str(at), cidr, gateway, excluded)]
