"""Takes secrets out of what goes into a support bundle, and makes control characters visible. Pure.

What is removed is counted, so that the bundle says what was left out of it. Text comes from guests, users and
other programs: none of it may move a terminal's cursor where somebody reads the bundle.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

REMOVED = "[removed]"
# each begins where no other can within what it takes, or is bounded: hostile text must not take for ever
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [^\n]{0,60}|\Z)", re.DOTALL)
# of a log only the end is taken: it may begin within a key
_END_OF_PEM = re.compile(r"\A[A-Za-z0-9+/=\s]*-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*")
_BEARER = re.compile(r"\b(?:Bearer|Basic)[ \t]{1,8}[\w.~+/=-]{8,}", re.IGNORECASE)
_USER_OF_URL = re.compile(r"(?<=://)[^/\s@\"']{1,256}(?=@)")
_QUERY_OF_URL = re.compile(r"(https?://[^\s\"'?]{1,1024}\?)[^\s\"']+")
_NAMED = re.compile(
    r"(password|passwd|passphrase|secret|token|client-key-data|private-?key|api-?key|auth-?key|credentials?)"
    r"([\"']?[ \t]{0,8}[:=][ \t]{0,8})(?:\"[^\"\n]{0,4096}\"|'[^'\n]{0,4096}'|[^\s,;}\]\"']+)",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f:]{3,45}(?![\w:])", re.IGNORECASE)
_MAC = re.compile(r"\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b", re.IGNORECASE)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LONG = 1024

# fields of our kinds that hold what belongs to a guest or its users, by their path in spec
_GUESTS_OWN = ("cloudInit.userData", "cloudInit.networkData", "cloudInit.sshAuthorizedKeys")


class Redactor:
    """Takes secrets out of texts and objects; `removed` counts what, by kind.

    With `anonymous` addresses go, too, each replaced by the same word everywhere.
    """

    def __init__(self, *, anonymous: bool = False) -> None:
        self.removed: Counter[str] = Counter()
        self._anonymous = anonymous
        self._names: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text without secrets and without control characters but line ends and tabs."""
        text = text.replace("\r\n", "\n")
        text = self._without(_END_OF_PEM, text, "private keys")
        text = self._without(_PEM, text, "private keys")
        text = self._without(_JWT, text, "tokens")
        text = self._without(_BEARER, text, "tokens")
        text = self._without(_USER_OF_URL, text, "users of URLs")
        text = self._counted(_QUERY_OF_URL, text, "queries of URLs", lambda found: f"{found[1]}{REMOVED}")
        text = self._counted(_NAMED, text, "values of names such as password and token", _but_the_name)
        if self._anonymous:
            text = self._anonymized(text)
        return visible(text)

    def object(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """An object of the API without what is a guest's own, long annotations and who wrote which field."""
        metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        if "annotations" in metadata:
            metadata["annotations"] = self._annotations(metadata["annotations"])
        whole = {**obj, "metadata": metadata}
        for path in _GUESTS_OWN:
            whole = self._without_field(whole, ("spec", *path.split(".")))
        return whole

    def _annotations(self, annotations: Mapping[str, str]) -> dict[str, str]:
        kept = {}
        for key, value in annotations.items():
            gone = key == _LAST_APPLIED or len(str(value)) > _LONG
            self.removed["long annotations"] += gone
            kept[key] = REMOVED if gone else str(value)
        return kept

    def _without_field(self, obj: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        first, *rest = path
        if not isinstance(obj, dict) or first not in obj:
            return obj
        if rest:
            return {**obj, first: self._without_field(obj[first], tuple(rest))}
        self.removed[f"spec.cloudInit.{first} of VMs"] += 1
        return {**obj, first: REMOVED}

    def _without(self, pattern: re.Pattern[str], text: str, kind: str) -> str:
        return self._counted(pattern, text, kind, lambda _: REMOVED)

    def _counted(self, pattern: re.Pattern[str], text: str, kind: str, put: Any) -> str:
        changed, count = pattern.subn(put, text)
        self.removed[kind] += count
        return changed

    def _anonymized(self, text: str) -> str:
        text = _MAC.sub(lambda found: self._name("mac", found[0]), text)
        text = _IPV6.sub(lambda found: self._name("ipv6", found[0]), text)
        return _IPV4.sub(lambda found: self._name("ipv4", found[0]), text)

    def _name(self, word: str, address: str) -> str:
        """The word that stands for an address everywhere; what only looks like one stays."""
        if word != "mac" and not _is_address(address):
            return address
        self.removed["addresses"] += 1
        known = sum(name.startswith(word) for name in self._names.values())
        return self._names.setdefault(address.lower(), f"{word}-{known + 1}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _but_the_name(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{REMOVED}"


def visible(text: str) -> str:
    """The text with control characters written out, but for line ends and tabs."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
