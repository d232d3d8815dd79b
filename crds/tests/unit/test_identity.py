"""Names derived from UIDs: pinned by value, because a changed rule would orphan every row and port."""

from __future__ import annotations

import re

from quantix_api import identity

CLUSTER = "11111111-1111-4111-8111-111111111111"
OTHER_CLUSTER = "22222222-2222-4222-8222-222222222222"
OWNER = "33333333-3333-4333-8333-333333333333"


def test_the_rules_are_pinned_by_value() -> None:
    assert str(identity.cluster_namespace(CLUSTER)) == "ec6ea852-d40f-53b1-ac5c-7933e4655eae"
    assert str(identity.row_uuid(CLUSTER, OWNER, "Logical_Switch")) == "9f3280ee-060d-5a08-a663-b3cdff4471e2"
    assert identity.nic_port_name(CLUSTER, OWNER, "eth0") == "aebb88e8-8706-58a1-8811-8532aa552314"
    assert identity.host_leg_port_name(CLUSTER, OWNER) == "a51b3053-c2cf-5656-b399-e17845987ff8"
    assert identity.mac_address(identity.MAC_VM_NIC, CLUSTER, OWNER, "eth0") == "02:f5:f2:97:25:c4"
    assert identity.way_out_mac(CLUSTER) == "0e:65:ab:15:84:cb"


def test_rows_differ_by_cluster_owner_table_and_key() -> None:
    rows = {
        identity.row_uuid(cluster, owner, table, key)
        for cluster in (CLUSTER, OTHER_CLUSTER)
        for owner in (OWNER, CLUSTER)
        for table in ("ACL", "NAT")
        for key in ("", "a")
    }
    assert len(rows) == 16


def test_a_mac_is_unicast_and_locally_administered_and_another_attempt_gives_another() -> None:
    prefixes = (
        identity.MAC_VM_NIC,
        identity.MAC_ROUTER_PORT,
        identity.MAC_FLOATING_IP,
        identity.MAC_HOST_LEG,
    )
    for prefix in prefixes:
        mac = identity.mac_address(prefix, CLUSTER, OWNER, "eth0")
        assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac)
        assert int(mac[:2], 16) == prefix
        assert prefix & 0b11 == 0b10
        assert mac != identity.mac_address(prefix, CLUSTER, OWNER, "eth0", attempt=1)
        assert mac != identity.mac_address(prefix, OTHER_CLUSTER, OWNER, "eth0")


def test_a_port_group_name_is_one_that_ovn_takes() -> None:
    name = identity.port_group_name(OWNER)
    assert name == "qx_sg_33333333333343338333333333333333"
    assert re.fullmatch(r"[A-Za-z_.][A-Za-z_.0-9]*", name)
