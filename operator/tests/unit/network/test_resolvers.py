"""The host's own name servers."""

from __future__ import annotations

from quantix_operator.clients.resolvers import parse_resolvers


def test_only_name_servers_that_a_guest_can_reach_count() -> None:
    servers = ("127.0.0.53", "10.0.0.2", "fe80::1%eth0", "10.0.0.2", "x")
    text = "# comment\n" + "".join(f"nameserver {server}\n" for server in servers)
    assert parse_resolvers(text) == ("10.0.0.2",)
