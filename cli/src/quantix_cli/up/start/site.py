"""What the steps of the second half share: who they work for, and the way into the API once there is one."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.errors import InvariantError
from quantix_cli.supervision.complaints import last_complaint
from quantix_cli.supervision.service import Service, Supervisor
from quantix_cli.supervision.table import Installation, services
from quantix_cli.up.hostd_door import HostdDoor
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import UpSettings
from quantix_client.api import ApiClient


@dataclass
class Site:
    """`client` is set by the step that starts the control plane."""

    settings: UpSettings
    log: UpLog
    supervisor: Supervisor
    installation: Installation
    client: ApiClient | None = None

    @property
    def api(self) -> ApiClient:
        """Raises InvariantError when a step needs the API before it was reached."""
        if self.client is None:
            raise InvariantError("StepOrder", "A step needs the API before it was reached.")
        return self.client

    @property
    def door(self) -> HostdDoor:
        """The hostd of this machine."""
        return HostdDoor(self.settings.layout.hostd_socket)

    async def close(self) -> None:
        """Let go of the API, if it was reached."""
        if self.client is not None:
            await self.client.__aexit__(None, None, None)

    def services(self, *names: str) -> list[Service]:
        """The services of these names, all without."""
        return [service for service in services(self.installation) if not names or service.name in names]

    def last_words(self, name: str) -> str:
        """As `last_complaint`."""
        return last_complaint(self.supervisor, name)
