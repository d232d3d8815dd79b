"""The keys that leave a console: one control key, or Enter ~ . for keyboards without it. Pure."""

from __future__ import annotations

from quantix_cli.exits import CommandError, Exit


def parse_escape(written: str) -> bytes:
    """`^]` → b"\\x1d". Raises CommandError (2) for anything that is no control key."""
    if len(written) == 2 and written[0] == "^" and "@" < written[1].upper() <= "_":
        return bytes([ord(written[1].upper()) - 64])
    raise CommandError(Exit.USAGE, f"{written} is no control key.", "one such as ^] or ^A")


class EscapeScanner:
    """Passes keys on until a way out was typed; `left` tells that it was."""

    def __init__(self, escape: bytes) -> None:
        self._escape = escape
        self._tail = b"\r"  # a tilde that is typed first counts, too
        self.left = False

    def feed(self, keys: bytes) -> bytes:
        """What of `keys` belongs to the guest. A held-back `~` is passed on when no `.` follows it."""
        passed = bytearray()
        for byte in keys:
            key = bytes([byte])
            if key == self._escape or (key == b"." and self._tail == b"\r~"):
                self.left = True
                break
            held, self._tail = self._tail == b"\r~", self._next_tail(key)
            if held:
                passed += b"~"
            if self._tail != b"\r~":
                passed += key
        return bytes(passed)

    def _next_tail(self, key: bytes) -> bytes:
        if key in (b"\r", b"\n"):
            return b"\r"
        return b"\r~" if key == b"~" and self._tail == b"\r" else b""
