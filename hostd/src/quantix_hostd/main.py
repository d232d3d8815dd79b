"""Entrance of `quantix-hostd`: what a service must not load is kept out before the first import of it."""

from __future__ import annotations

from collections.abc import Sequence

from quantix_client.lean import keep_out_what_draws


def main(arguments: Sequence[str] | None = None) -> None:
    """As `service.main`."""
    keep_out_what_draws()
    from quantix_hostd import service

    service.main(arguments)
