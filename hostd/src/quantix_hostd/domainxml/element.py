"""Builds XML elements from values that may come from a user.

Called by the configurators of this package only. Text reaches libvirt through nothing else: every value is
escaped by ElementTree, and characters that XML cannot hold or that a terminal would obey are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error

Element = ElementTree.Element


def element(
    tag: str, attributes: Mapping[str, str | int] | None = None, *children: Element | None, text: str = ""
) -> Element:
    """Return `<tag attributes>text children</tag>`; children that are None are left out.

    Raises PermanentError(ConfigRefused) when a value holds a control character.
    """
    node = ElementTree.Element(tag, {k: _clean(tag, str(v)) for k, v in (attributes or {}).items()})
    if text:
        node.text = _clean(tag, text)
    node.extend([child for child in children if child is not None])
    return node


def serialize(node: Element) -> str:
    """Return the document as indented text with a final newline; equal input gives equal text."""
    ElementTree.indent(node)
    return ElementTree.tostring(node, encoding="unicode") + "\n"


def _clean(tag: str, value: str) -> str:
    for char in value:
        code = ord(char)
        if code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF):
            raise as_error(PermanentError, "ConfigRefused", tag=f"<{tag}>", code=f"U+{code:04X}")
    return value
