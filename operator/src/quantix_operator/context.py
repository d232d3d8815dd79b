"""What `service` gives to every controller."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_client.events import EventRecorder
from quantix_operator.cache import Cache
from quantix_operator.lease_watch import LeaseWatch
from quantix_operator.metrics import Metrics
from quantix_operator.settings import Settings


@dataclass(frozen=True)
class Context:
    """Clients and facts that live as long as this process leads."""

    settings: Settings
    api: ApiClient
    cache: Cache
    events: EventRecorder
    metrics: Metrics
    clock: Clock
    leases: LeaseWatch
    cluster_uid: str
    promising: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from the look at what pools have promised until the next promise is in the cache."""
    placing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from the look at what hosts have room for until what was decided is in the cache; and while a
    Volume is promised to another pool, after `promising`.
    """
