"""What a host that is gone left in the southbound database goes, so that another may have its address."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_lab.ovn_central import OvnCentral
from quantix_operator.clients.ovn_sb import Southbound


async def test_a_chassis_goes_with_its_address_and_no_other_does(central: OvnCentral) -> None:
    for name, address in (("h1", "10.0.0.1"), ("h2", "10.0.0.2")):
        central.sbctl("chassis-add", name, "geneve", address)
        central.sbctl("create", "Chassis_Private", f"name={name}")
    await Southbound(central.southbound).remove_chassis("h2")
    await Southbound(central.southbound).remove_chassis("h2")
    for table in ("Chassis", "Chassis_Private"):
        assert central.sbctl("--bare", "--columns=name", "list", table).split() == ["h1"]
    central.sbctl("chassis-add", "h3", "geneve", "10.0.0.2")


async def test_a_database_that_is_away_is_told_so(central: OvnCentral) -> None:
    with pytest.raises(TransientError) as caught:
        await Southbound(f"{central.southbound}.away").remove_chassis("h2")
    assert caught.value.reason == "SouthboundUnreachable"
    assert "does not answer" in caught.value.message
