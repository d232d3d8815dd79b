"""Messages about certificates of hosts: what is said of a CertificateSigningRequest. Data only."""

from __future__ import annotations

from quantix_api.message_template import Template

_CSR = "CertificateSigningRequest"

CERTIFICATE_TEMPLATES: tuple[Template, ...] = (
    Template("Joins", _CSR, "The bootstrap token was made for host {host}."),
    Template("Renews", _CSR, "Host {host} renews its own certificate."),
    Template("Serves", _CSR, "Names and addresses are those of host {host}."),
    Template("Moves", _CSR, "Host {host} shows it to other hosts while guests move between them."),
    Template("Connects", _CSR, "Host {host} shows it to the network's databases, by the UID of its Host."),
    Template(
        "TokenUnknown",
        _CSR,
        "The token of {user} names no host, has expired or is used up.",
        "make a new token for the host",
    ),
    Template("NotAHost", _CSR, "{user} is no host: only hosts get certificates of hosts."),
    Template(
        "NotAHost",
        _CSR,
        "A bootstrap token gets a client certificate only.",
        "ask again with that certificate",
    ),
    Template(
        "WrongName",
        _CSR,
        "The request is for {name}, but whoever sent it is host {host}.",
        "a bootstrap token made for that host",
    ),
    Template("WrongName", _CSR, "{foreign} is not the name of host {host}."),
    Template("WrongGroup", _CSR, "The subject's organization must be exactly {group}."),
    Template("Unexpected", _CSR, "The request holds {what}, which no host needs."),
    Template("WeakKey", _CSR, "The request holds {key}.", "ECDSA P-256"),
    Template("Unexpected", _CSR, "A client certificate has no names like {name} in it."),
    Template("WrongUsages", _CSR, "A {certificate} certificate is for {usage}, not {usages}."),
    Template("HostUnknown", _CSR, "There is no host {host} any more.", "let it join with a new token"),
    Template("NoNames", _CSR, "A serving certificate needs the host's name or addresses."),
    Template("WrongAddress", _CSR, "{address} is no address of host {host}."),
    Template("AddressShared", _CSR, "{address} was reported by another host first."),
    Template("Malformed", _CSR, "The certificate request {what}."),
)
