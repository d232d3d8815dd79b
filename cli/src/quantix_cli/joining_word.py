"""The word with which one machine joins a cluster: where it is, how it is known, and a token for one host.

Written by `qx host add`, read by `qx cluster join`. It holds a secret that is good for minutes, so it is
handed over on standard input and never as an argument.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from quantix_api.errors import PermanentError

_MARK = "qx1."
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class JoiningWord:
    """`server` is the API's URL and `authority_pem` the certificates that it is known by; `southbound` is the
    network's database as ovn-controller(8) takes it; `token` lets exactly `host` ask for a certificate.
    """

    server: str
    authority_pem: str
    host: str
    southbound: str
    token: str = field(repr=False)


def render_word(word: JoiningWord) -> str:
    """One word without spaces or signs that a shell would read."""
    packed = zlib.compress(json.dumps(asdict(word)).encode(), 9)
    return _MARK + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def parse_word(text: str) -> JoiningWord:
    """The word that somebody pasted, broken into lines or not. Raises PermanentError (WordRefused)."""
    written = "".join(text.split())
    if not written:
        raise _refused("No word was given.")
    if not written.startswith(_MARK):
        raise _refused("This is no word of qx host add.")
    body = written.removeprefix(_MARK)
    try:
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(packed, _MOST_BYTES).decode()
        if not unpacking.eof:
            raise ValueError("it is cut off")
        found: dict[str, Any] = json.loads(text)
        return JoiningWord(**{one.name: _text(found, one.name) for one in fields(JoiningWord)})
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(f"The word is not whole ({error}).") from error


def _text(found: dict[str, Any], name: str) -> str:
    value = found[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"it has no {name}")
    return value


def _refused(why: str) -> PermanentError:
    way_out = "copy it whole, from qx1. to its end, or qx host add once more on the first machine"
    return PermanentError("WordRefused", why, way_out)
