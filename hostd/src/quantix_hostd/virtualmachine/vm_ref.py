"""Which VM actions are done to. Used by `apply` and its handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from quantix_api import VirtualMachine
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.virtualmachine.tools import VmTools


@dataclass(frozen=True)
class VmRef:
    """The VM that is acted on; `vm` is None for what is left of one that the API does not know."""

    uid: str
    vm: VirtualMachine | None

    @property
    def name(self) -> str:
        """For messages."""
        return self.vm.metadata.name if self.vm else self.domain

    @property
    def domain(self) -> str:
        return domain_name(self.uid)


Handler = Callable[[VmTools, VmRef, Any], Awaitable[None]]
