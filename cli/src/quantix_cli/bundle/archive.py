"""The file of a support bundle: entries of text, each of bounded size, in a tar that only its owner reads."""

from __future__ import annotations

import io
import os
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from quantix_cli.bundle.redaction import Redactor, visible
from quantix_cli.measures import size

MOST_ENTRY_BYTES = 2 << 20
MOST_BYTES = 48 << 20
"""Before it is compressed, so that the file stays below 50 MB whatever is in it."""

_README = "README.txt"


@dataclass
class Bundle:
    """Entries by their names; `left_out` says of each thing that is not there why."""

    redactor: Redactor
    entries: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        """Take a text along, without its secrets; of a long one the end."""
        if self.size_bytes >= MOST_BYTES:
            self.left_out[name] = f"the bundle holds {size(MOST_BYTES)} already"
            return
        if len(text) > MOST_ENTRY_BYTES:
            self.left_out[f"the beginning of {name}"] = f"only its last {size(MOST_ENTRY_BYTES)} are here"
            text = text[-MOST_ENTRY_BYTES:].partition("\n")[2]
        self.entries[name] = self.redactor.text(text)

    @property
    def size_bytes(self) -> int:
        return sum(len(text) for text in self.entries.values())

    def readme(self) -> str:
        """What is in it, and what was left out. Pure."""
        lines = ["What is in this bundle:"]
        lines += [f"  {name}  {size(len(text))}" for name, text in sorted(self.entries.items())]
        lines += [
            "",
            "Never taken along: Secrets, private keys, kubeconfigs, and what guests print on their consoles.",
        ]
        lines += ["", "Removed from what is here (each place says [removed]):"]
        removed = [f"  {kind}: {count}" for kind, count in sorted(self.redactor.removed.items()) if count]
        lines += removed or ["  nothing was found that had to be"]
        lines += ["", "Not here:"]
        lines += [f"  {name}: {why}" for name, why in sorted(self.left_out.items())] or ["  nothing"]
        return "\n".join([*lines, ""])

    def write(self, file: Path) -> int:
        """Write the tar; returns its size in bytes. Raises FileExistsError, OSError."""
        folder = file.name.removesuffix(".gz").removesuffix(".tar")
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened, tarfile.open(fileobj=opened, mode="w:gz") as tar:
            for name, text in ((_README, visible(self.readme())), *sorted(self.entries.items())):
                data = text.encode("utf-8", errors="backslashreplace")
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
                tar.addfile(entry, io.BytesIO(data))
        return file.stat().st_size
