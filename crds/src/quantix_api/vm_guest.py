"""What a VirtualMachine says about the system inside: first boot, readiness, guest agent."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import AtRestart, Live, Range, Rule, Text, at_most_one, exactly_one, keyed, ordered
from quantix_api.model import ApiModel, Empty
from quantix_api.scalars import Name, Port

KeyName = Annotated[
    str,
    Text(253, 1),
    Rule(
        "self.matches('^[-._a-zA-Z0-9]+$')", "must be a key of the Secret: letters, digits, '-', '_' and '.'"
    ),
]
Command = Annotated[str, Text(256)]


class UserDataSecret(ApiModel):
    """A key of a Secret in the VM's namespace."""

    name: Annotated[Name, AtRestart("Name of the Secret.")]
    key: Annotated[KeyName, AtRestart("Key in the Secret.")] = "userData"


class SysprepSecret(ApiModel):
    """A key of a Secret in the VM's namespace."""

    name: Annotated[Name, AtRestart("Name of the Secret.")]
    key: Annotated[KeyName, AtRestart("Key in the Secret.")] = "unattend.xml"


class CloudInit(ApiModel):
    """What the guest's cloud-init reads at its first boot."""

    RULES: ClassVar[tuple[Rule, ...]] = (at_most_one("userData", "userDataSecretRef"),)

    instance_id: Annotated[
        str | None,
        Text(64, 1),
        AtRestart("A new value makes the guest run its first-boot steps again. Absent: metadata.uid."),
    ] = None
    hostname: Annotated[
        str | None,
        Text(63, 1),
        Rule(
            "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "must be small letters, digits and '-', at most 63",
        ),
        AtRestart("Host name of the guest. Absent: metadata.name up to its first dot."),
    ] = None
    ssh_authorized_keys: Annotated[
        tuple[Annotated[str, Text(8192)], ...],
        ordered(32),
        AtRestart("Public SSH keys that may log in as the image's user."),
    ] = ()
    user_data: Annotated[
        str | None,
        Text(65536),
        AtRestart("cloud-init's user data, at most 64 KiB. Passwords belong in a Secret: userDataSecretRef."),
    ] = None
    user_data_secret_ref: Annotated[
        UserDataSecret | None, AtRestart("A Secret that holds the user data, instead of userData.")
    ] = None
    network_data: Annotated[
        str | None,
        Text(16384),
        AtRestart("cloud-init's network configuration, at most 16 KiB. Absent: DHCP on every NIC."),
    ] = None


class Sysprep(ApiModel):
    """What Windows reads at its first boot."""

    secret_ref: Annotated[SysprepSecret, AtRestart("The Secret that holds the answer file.")]


class Readiness(ApiModel):
    """When the VM counts as Ready, beyond that QEMU runs it."""

    RULES: ClassVar[tuple[Rule, ...]] = (exactly_one("agent", "tcpPort"),)

    agent: Annotated[Empty | None, Live("Ready once the guest agent answers.")] = None
    tcp_port: Annotated[Port | None, Live("Ready once the guest answers on this TCP port.")] = None
    timeout_seconds: Annotated[
        int, Range(1, 3600), Live("How long the guest may take, in seconds, before that is reported.")
    ] = 300


class HTTPGet(ApiModel):
    """A request that the guest answers with a status below 400."""

    port: Annotated[Port, Live("TCP port in the guest.")]
    path: Annotated[str, Text(256), Live("Path of the request. Absent: /.")] = "/"


class ServiceCheck(ApiModel):
    """How the agent sees that a service works."""

    RULES: ClassVar[tuple[Rule, ...]] = (exactly_one("unit", "process", "tcpPort", "httpGet", "exec"),)

    unit: Annotated[str | None, Text(128, 1), Live("A systemd unit or Windows service that is active.")] = (
        None
    )
    process: Annotated[str | None, Text(128, 1), Live("The name of a process that runs.")] = None
    tcp_port: Annotated[Port | None, Live("A TCP port that accepts connections in the guest.")] = None
    http_get: Annotated[HTTPGet | None, Live("An HTTP request that is answered.")] = None
    exec: Annotated[
        tuple[Command, ...] | None,
        ordered(),
        Live("A command in the guest that ends with 0; needs allowExec."),
    ] = None


class Service(ApiModel):
    """A service in the guest that the agent watches."""

    name: Annotated[str, Text(64, 1), Live("Name of the service in messages.")]
    check: Annotated[ServiceCheck | None, Live("How to see that it works. Absent: the unit of its name.")] = (
        None
    )
    on_failure: Annotated[
        Literal["Restart", "Report"], Live("What the agent does when it fails. Absent: Restart.")
    ] = "Restart"
    max_restarts: Annotated[int, Range(1, 100), Live("Restarts before escalate counts. Absent: 3.")] = 3
    escalate: Annotated[
        Literal["None", "RebootGuest", "Relocate"],
        Live("What happens after that; Relocate: reboot, then start on another host. Absent: None."),
    ] = "None"


class Agent(ApiModel):
    """The agent in the guest."""

    install: Annotated[bool, Live("true: cloudInit installs our agent at the guest's first boot.")] = False
    allow_exec: Annotated[bool, Live("true: commands and files may go through the agent.")] = False
    on_silence: Annotated[
        Literal["None", "Reset"], Live("Reset: the VM is reset when the agent falls silent.")
    ] = "None"
    silence_seconds: Annotated[
        int, Range(30, 3600), Live("How long the agent must be silent for that, in seconds.")
    ] = 120
    services: Annotated[
        tuple[Service, ...], keyed("name", at_most=32), Live("Services that the agent watches.")
    ] = ()
