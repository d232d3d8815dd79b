"""Which addresses an image may come from."""

import ipaddress

import pytest

from quantix_api.errors import PermanentError
from quantix_hostd.clients.http_source import refuse_address


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "224.0.0.1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254", "100.100.100.200"),
    ],
)
def test_the_host_itself_its_link_and_metadata_services_are_refused(address: str) -> None:
    with pytest.raises(PermanentError) as raised:
        refuse_address("images.example", ipaddress.ip_address(address))
    assert raised.value.reason == "AddressRefused"


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8::7", "64:ff9b::c633:6407"])
def test_addresses_of_others_are_not(address: str) -> None:
    refuse_address("images.example", ipaddress.ip_address(address))


def test_an_exception_may_be_named() -> None:
    loopback = ipaddress.ip_address("127.0.0.1")
    refuse_address("images.example", loopback, frozenset({loopback}))
