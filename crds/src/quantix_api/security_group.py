"""The kind SecurityGroup: what may reach the NICs that name it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Live, Rule, exactly_one, ordered
from quantix_api.model import AGE, READY, REASON, ApiModel, ApiObject, Definition, Status
from quantix_api.resources import SECURITY_GROUPS
from quantix_api.scalars import CIDR, Name, Port


class PortRange(ApiModel):
    """A port, or ports from `port` to `endPort`."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.endPort) || self.endPort >= self.port", "endPort must not be below port"),
    )

    port: Annotated[Port, Live("The port, or the first one.")]
    end_port: Annotated[Port | None, Live("The last port. Absent: only port.")] = None


class Peer(ApiModel):
    """Who is at the other end."""

    RULES: ClassVar[tuple[Rule, ...]] = (exactly_one("cidr", "group"),)

    cidr: Annotated[CIDR | None, Live("Addresses, such as 10.0.0.0/8.")] = None
    group: Annotated[Name | None, Live("NICs that name this SecurityGroup.")] = None


_PORTS_NEED_TCP_OR_UDP = Rule(
    "!has(self.ports) || self.ports.size() == 0 || (has(self.protocol) && self.protocol in ['TCP', 'UDP'])",
    "ports need protocol TCP or UDP",
)
_PROTOCOL_TEXT = "Protocol. Absent: Any."
_PORTS_TEXT = "Ports, with TCP and UDP. Absent: all."


class IngressRule(ApiModel):
    """What may come in."""

    RULES: ClassVar[tuple[Rule, ...]] = (_PORTS_NEED_TCP_OR_UDP,)

    protocol: Annotated[Literal["TCP", "UDP", "ICMP", "Any"], Live(_PROTOCOL_TEXT)] = "Any"
    ports: Annotated[tuple[PortRange, ...], ordered(), Live(_PORTS_TEXT)] = ()
    from_: Annotated[tuple[Peer, ...], ordered(32), Live("Who may send. Absent: anyone.")] = ()


class EgressRule(ApiModel):
    """What may go out."""

    RULES: ClassVar[tuple[Rule, ...]] = (_PORTS_NEED_TCP_OR_UDP,)

    protocol: Annotated[Literal["TCP", "UDP", "ICMP", "Any"], Live(_PROTOCOL_TEXT)] = "Any"
    ports: Annotated[tuple[PortRange, ...], ordered(), Live(_PORTS_TEXT)] = ()
    to: Annotated[tuple[Peer, ...], ordered(32), Live("Who may be reached. Absent: anyone.")] = ()


class SecurityGroupSpec(ApiModel):
    """What is wanted."""

    ingress: Annotated[
        tuple[IngressRule, ...], ordered(64), Live("What may come in; all else is dropped. Absent: nothing.")
    ] = ()
    egress: Annotated[
        tuple[EgressRule, ...] | None,
        ordered(64),
        Live("What may go out. Absent: everything, unless another group of the NIC lists egress."),
    ] = None


class SecurityGroup(ApiObject):
    """Rules for what may reach the NICs that name it. Answers to what was allowed always pass."""

    DEFINITION: ClassVar[Definition] = Definition(SECURITY_GROUPS, ("sg",), (READY, REASON, AGE))

    spec: Annotated[SecurityGroupSpec, Live("What is wanted.")]
    status: Status = Status()
