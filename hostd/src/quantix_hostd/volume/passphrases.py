"""The passphrase of an encrypted volume, read from its Secret each time that it is needed: kept nowhere.

Called by the volume controller, and by the VM's start and plugging.
"""

from __future__ import annotations

from quantix_api import Volume
from quantix_api.message_table_phrases import NO_PASSPHRASE, NO_TEXT
from quantix_hostd.secret_values import SecretKey, SecretValues

# cryptsetup's own limit for a passphrase
_MAX_BYTES = 512


class Passphrases:
    """One for a process."""

    def __init__(self, secrets: SecretValues) -> None:
        self._secrets = secrets

    async def of(self, volume: Volume) -> str:
        """The passphrase as its Secret has it now, "" for a volume that is not encrypted.

        Raises WaitingError (SecretNotFound, SecretNotGranted) while it cannot be read or is none.
        """
        if volume.spec.encryption is None:
            return ""
        reference = volume.spec.encryption.secret_ref
        about = {"encrypted": volume.metadata.name}
        wanted = SecretKey(volume.metadata.namespace, reference.name, reference.key, about)
        content = await self._secrets.read(wanted)
        try:
            passphrase = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise wanted.holds(NO_TEXT) from error
        if not 0 < len(content) <= _MAX_BYTES or "\0" in passphrase:
            raise wanted.holds(NO_PASSPHRASE.format(most=_MAX_BYTES))
        return passphrase
