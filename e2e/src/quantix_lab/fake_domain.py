"""A domain of the hypervisor in memory, which alone uses it."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from quantix_hostd.domainxml.metadata import parse_metadata
from quantix_hostd.domainxml.spec import vm_uid_of
from quantix_hostd.facts.domain import DomainState, ShutoffReason


@dataclass
class FakeDomain:
    name: str
    uuid: str
    xml: str
    live_xml: str | None = None
    state: DomainState = DomainState.SHUTOFF
    reason: int = ShutoffReason.UNKNOWN
    pid: int = 0

    @property
    def is_ours(self) -> bool:
        """Whether Quantix made it, by its name and its metadata."""
        metadata = parse_metadata(ElementTree.fromstring(self.xml))
        return vm_uid_of(self.name) is not None and metadata is not None
