"""What one tenant may read of another's objects: that something of a kind is there, and nothing more.

Used where the holder of an address, a MAC or a UUID becomes part of a message. Pure.
"""

from __future__ import annotations


def as_told(other: str, reader: str) -> str:
    """`other` as an object of `reader`'s namespace may say it; both are kind and key: `VM default/web-1`.

    Within a namespace it is named. Of another namespace, or of the cluster, only its kind is said.
    """
    kind, _, key = other.rpartition(" ")
    namespace = _namespace(key)
    if namespace and namespace == _namespace(reader.rpartition(" ")[2]):
        return other
    return f"a {kind} of another namespace" if namespace else f"a {kind}"


def _namespace(key: str) -> str:
    namespace, found, _ = key.partition("/")
    return namespace if found else ""
