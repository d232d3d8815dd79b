"""What the files hold that are given to `qx vm create`: public keys, user data."""

from __future__ import annotations

from pathlib import Path

from quantix_cli.exits import CommandError, Exit

_MOST_KEY_BYTES = 8192
_MOST_USER_DATA_BYTES = 65536


def own_keys(home: Path | None) -> tuple[Path, ...]:
    """The first public key below `home`, () for none."""
    return tuple(sorted((home / ".ssh").glob("*.pub"))[:1]) if home else ()


def public_key(path: Path) -> str:
    """The key in a file. Raises CommandError (2) for a private one, which must not leave this machine."""
    text = _text_of(path, _MOST_KEY_BYTES).strip()
    if "PRIVATE KEY" in text or "\n" in text or len(text.split()) < 2:
        raise CommandError(Exit.USAGE, f"{path} holds no public SSH key.", "the file that ends with .pub")
    return text


def user_data_of(path: Path) -> str:
    """What cloud-init is to have. Raises CommandError (2)."""
    return _text_of(path, _MOST_USER_DATA_BYTES)


def _text_of(path: Path, most_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(Exit.USAGE, f"{path} cannot be read as text: {error}.") from error
    if len(content) > most_bytes:
        raise CommandError(Exit.USAGE, f"{path} is larger than {most_bytes // 1024} KiB.")
    return text
