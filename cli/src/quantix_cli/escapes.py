"""Escape sequences of a console: the keys that leave it (one control key, or Enter ~ . for keyboards without
it), and what a guest asks its terminal, which is nobody's business in a pipe. Pure.
"""

from __future__ import annotations

import re

from quantix_cli.exits import CommandError, Exit


def parse_escape(written: str) -> bytes:
    """`^]` → b"\\x1d". Raises CommandError (2) for anything that is no control key."""
    if len(written) == 2 and written[0] == "^" and "@" < written[1].upper() <= "_":
        return bytes([ord(written[1].upper()) - 64])
    raise CommandError(Exit.USAGE, f"{written} is no control key.", "one such as ^] or ^A")


# CSI … n and CSI … c: where the cursor is, what the terminal is (ECMA-48 8.3.35 and 8.3.24); of xterm's
# ctlseqs OSC … ? up to BEL or ST: its colours, CSI … $ p and CSI > … q: its modes and its version
_QUERY = re.compile(rb"\x1b(?:\[[0-9;?>=]*(?:[nc]|\$p)|\[>[0-9;]*q|\][0-9;]*\?(?:\x07|\x1b\\))")
_BEGUN = re.compile(rb"\x1b(?:\[[0-9;?>=$]{0,30}|\][0-9;]{0,30}\??\x1b?)?\Z")


class QueryFilter:
    """Takes out of what a guest prints the questions to a terminal, which only a terminal answers."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, printed: bytes) -> bytes:
        """What of `printed` is to be shown; the beginning of a sequence waits for the rest of it."""
        text = _QUERY.sub(b"", self._held + printed)
        begun = _BEGUN.search(text)
        self._held = begun[0] if begun else b""
        return text[: len(text) - len(self._held)]


class EscapeScanner:
    """Passes keys on until a way out was typed; `left` tells that it was."""

    def __init__(self, escape: bytes) -> None:
        self._escape = escape
        self._tail = b"\r"  # a tilde that is typed first counts, too
        self._sequence = b""  # the start of an escape sequence (CSI, ECMA-48 5.4) that has not ended yet
        self.left = False

    def feed(self, keys: bytes) -> bytes:
        """What of `keys` belongs to the guest. A held-back `~` is passed on when no `.` follows it."""
        passed = bytearray()
        for byte in keys:
            key = bytes([byte])
            if self._is_of_sequence(key):
                # an arrow key, or the terminal's own answer to the guest: says nothing about what is typed
                passed += key
                continue
            if key == self._escape or (key == b"." and self._tail == b"\r~"):
                self.left = True
                break
            held, self._tail = self._tail == b"\r~", self._next_tail(key)
            if held:
                passed += b"~"
            if self._tail != b"\r~":
                passed += key
        return bytes(passed)

    def _is_of_sequence(self, key: bytes) -> bool:
        if self._sequence == b"\x1b[" and b" " <= key <= b"~":
            self._sequence = b"" if key >= b"@" else b"\x1b["
            return True
        if self._sequence == b"\x1b" and key == b"[":
            self._sequence = b"\x1b["
            return True
        self._sequence = key if key == b"\x1b" and key != self._escape else b""
        return bool(self._sequence)

    def _next_tail(self, key: bytes) -> bytes:
        if key in (b"\r", b"\n"):
            return b"\r"
        return b"\r~" if key == b"~" and self._tail == b"\r" else b""
