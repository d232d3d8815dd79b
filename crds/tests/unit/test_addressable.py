"""How much memory a guest can have addresses for."""

from __future__ import annotations

import pytest

from quantix_api.address_space import addressable_bytes

_GIB = 1 << 30
_HOLE_BYTES, _LOW_BYTES, _ALIGNED_BYTES = 32 * _GIB, 4 * _GIB, 3 * _GIB
"""What QEMU 7.2 adds to the memory: 64-bit PCI, what is below 4 GiB, and whole GiB for memory that comes."""
_AMD_HOLE_BYTES = (1024 - 12) * _GIB


@pytest.mark.parametrize(
    ("bits", "model", "most"),
    [
        (None, "Auto", 960),
        (46, "Auto", 960),
        (46, "qemu64", 960),
        (39, "Skylake-Client", 448),
        (36, "Auto", 24),
        (None, "HostPassthrough", 960),
        (41, "HostPassthrough", 960),
        (46, "HostPassthrough", 63 * 1024 - 64),
        (8, "Auto", 0),
    ],
)
def test_what_a_guest_can_have(bits: int | None, model: str, most: int) -> None:
    assert addressable_bytes(bits, model) == most * _GIB


@pytest.mark.parametrize("bits", range(36, 53))
def test_qemu_has_addresses_for_all_of_it(bits: int) -> None:
    most = addressable_bytes(bits, "HostPassthrough")
    used = most + _HOLE_BYTES + _LOW_BYTES + _ALIGNED_BYTES
    if used > _AMD_HOLE_BYTES:
        used += 1024 * _GIB
    assert used <= 1 << bits


@pytest.mark.parametrize("bits", [65, 10**15])
def test_a_host_that_claims_more_bits_than_any_cpu_has_is_not_reckoned_with(bits: int) -> None:
    assert addressable_bytes(bits, "HostPassthrough") == addressable_bytes(64, "HostPassthrough")
