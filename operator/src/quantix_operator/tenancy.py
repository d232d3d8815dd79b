"""What one tenant may read of another's objects: that something of a kind is there, and nothing more.

Used where the holder of an address, a MAC or a UUID becomes part of a message. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.message_table_phrases import A_KIND, A_KIND_ELSEWHERE, COUNTED_ELSEWHERE
from quantix_api.message_text import first_of
from quantix_api.quantities import counted


def as_told(other: str, reader: str) -> str:
    """`other` as an object of `reader`'s namespace may say it; both are kind and key: `VM default/web-1`.

    Within a namespace it is named. Of another namespace, or of the cluster, only its kind is said.
    """
    kind, _, key = other.rpartition(" ")
    namespace = _namespace(key)
    if namespace and namespace == home_of(reader):
        return other
    return (A_KIND_ELSEWHERE if namespace else A_KIND).format(kind=kind)


def users_as_told(users: Sequence[str], home: str, kind: str = "VM") -> str:
    """Objects of a kind, by their keys, as an object of the namespace `home` may say them: the first of its
    own by name, the others by number; "" for none.
    """
    own = [key for key in users if _namespace(key) == home]
    others = len(users) - len(own)
    elsewhere = COUNTED_ELSEWHERE.format(counted=counted(others, kind)) if others else ""
    return ", and ".join(filter(None, (first_of(own), elsewhere)))


def home_of(name: str) -> str:
    """The namespace of an object called by kind and key: `VM default/web-1`; "" where it has none."""
    return _namespace(name.rpartition(" ")[2])


def _namespace(key: str) -> str:
    namespace, found, _ = key.partition("/")
    return namespace if found else ""
