"""Reads one value of a Secret, each time that it is needed: kept nowhere.

Called for first-boot settings (`firstboot.drive`) and for passphrases (`volume.passphrases`). hostd may read
exactly the Secrets that the VMs and volumes it has by right refer to (the operator's `secret_access`), from
some moment after it got them: until then the API server refuses, and tells nothing of what is there.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from quantix_api.errors import WaitingError
from quantix_api.message_table_phrases import NO_TEXT
from quantix_api.messages import as_wait
from quantix_api.resources import SECRETS, Resource
from quantix_client.errors import Forbidden, NotFound

_LOOK_S = 5.0
# the operator grants as soon as it sees what this host saw
_GRANT_S = 1.0


class SecretReader(Protocol):
    """The one verb of the API that is needed."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class SecretKey:
    """One key of a Secret. `about`: who needs it, as the message says it."""

    namespace: str | None
    name: str
    key: str
    about: Mapping[str, str] = field(default_factory=dict)

    def holds(self, what: str) -> WaitingError:
        """The wait for a value that is of use; `what` it is now, such as "no text"."""
        return as_wait("SecretNotFound", _LOOK_S, name=self.name, key=self.key, what=what, **self.about)


class SecretValues:
    """One for a process."""

    def __init__(self, api: SecretReader) -> None:
        self._api = api

    async def read(self, wanted: SecretKey) -> bytes:
        """What the Secret holds under the key now.

        Raises WaitingError: SecretNotGranted while this host may not read it yet, else SecretNotFound.
        """
        named = {"name": wanted.name, **wanted.about}
        try:
            secret = await self._api.get(SECRETS, wanted.name, wanted.namespace)
        except Forbidden as error:
            raise as_wait("SecretNotGranted", _GRANT_S, **named) from error
        except NotFound as error:
            raise as_wait("SecretNotFound", _LOOK_S, **named) from error
        encoded = (secret.get("data") or {}).get(wanted.key)
        if encoded is None:
            raise as_wait("SecretNotFound", _LOOK_S, key=wanted.key, **named)
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise wanted.holds(NO_TEXT) from error
