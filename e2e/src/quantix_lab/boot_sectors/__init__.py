"""Guests of one disk sector: each does one thing to the platform, a second after the BIOS.

What a whole system would take a minute and chance to do (fill its disk, panic, flood its console, reboot for
ever, use all its memory, leave its watchdog alone) these do at once and always. Used by contract tests;
assembled by nasm when needed.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

SECTOR_BYTES = 512
_SIGNATURE = b"\x55\xaa"
_SOURCES = Path(__file__).parent


def assemble(name: str, **symbols: int) -> bytes:
    """The boot sector `name`.asm; `symbols` are those that its source asks for."""
    with tempfile.TemporaryDirectory(prefix="qxboot") as directory:
        target = Path(directory) / "sector"
        defines = [f"-d{symbol}={value}" for symbol, value in symbols.items()]
        source = _SOURCES / f"{name}.asm"
        argv = ["nasm", "-f", "bin", *defines, "-i", f"{_SOURCES}/", "-o", str(target), str(source)]
        subprocess.run(argv, check=True)
        return target.read_bytes().ljust(SECTOR_BYTES - len(_SIGNATURE), b"\0") + _SIGNATURE


def write_boot_sector(disk: Path, name: str, **symbols: int) -> None:
    """Put the boot sector onto a qcow2 disk that nobody has open."""
    with tempfile.NamedTemporaryFile(prefix="qxboot") as sector:
        sector.write(assemble(name, **symbols))
        sector.flush()
        write = f"write -q -s {sector.name} 0 {SECTOR_BYTES}"
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", write, str(disk)], check=True)
