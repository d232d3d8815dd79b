"""Where the packages of the image come from: the mirror that this machine's own apt uses.

No mirror is named here. apt says which archives it is set up with (apt-get(8), indextargets); of Debian's
own, the address is taken and the release replaced.
"""

from __future__ import annotations

from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_cli.guestimage.disk import run_tool

RELEASE = "trixie"
_FORMAT = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
_COMPONENT = "main"
# suffix of the suite → whether the image can be without it
_SUITES = {"": False, "-updates": True, "-security": True}


def machine_codename(release: str) -> str:
    """Of /etc/os-release (os-release(5)); "" where it names none."""
    fields = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip().strip('"')


def render_sources(targets: str, codename: str) -> list[str]:
    """Lines of sources.list(5) for the image, from apt's list of `targets` on a machine of `codename`.

    Raises PermanentError `GuestImageFailed` when apt has no archive of the machine's own release.
    """
    rows = [line.split() for line in targets.splitlines()]
    found = {row[1]: row[0] for row in reversed(rows) if len(row) == 3 and row[2] == _COMPONENT}
    lines = []
    for suffix, optional in _SUITES.items():
        address = found.get(f"{codename}{suffix}")
        if address is not None:
            lines.append(f"deb {address} {RELEASE}{suffix} {_COMPONENT}")
        elif not optional:
            raise PermanentError(
                "GuestImageFailed",
                f"apt of this machine has no archive of Debian {codename or 'of a known release'}.",
                "add one to /etc/apt/sources.list.d",
            )
    return lines


def machine_sources() -> list[str]:
    """The same for the machine that this runs on."""
    selection = ["Created-By: Packages", "Architecture: amd64"]
    targets = run_tool(["apt-get", "indextargets", "--format", _FORMAT, *selection])
    return render_sources(targets, machine_codename(Path("/etc/os-release").read_text()))
