"""A passphrase is what its Secret holds now, or a wait that names what is missing."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.errors import WaitingError
from quantix_api.resources import SECRETS, Resource
from quantix_client.errors import Forbidden, NotFound
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.volume.passphrases import Passphrases


class Secrets:
    """One Secret, or what asking for it ends with. `asked` lists for which."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer
        self.asked: list[tuple[Resource, str, str | None]] = []

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        self.asked.append((resource, name, namespace))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def volume(encryption: dict[str, Any] | None) -> Volume:
    spec = {"size": "1Gi"} | ({"encryption": encryption} if encryption else {})
    metadata = {"name": "data", "namespace": "shop", "uid": "u"}
    return Volume.model_validate({"metadata": metadata, "spec": spec})


ENCRYPTED = volume({"secretRef": {"name": "disk-key", "key": "k"}})


def holding(content: bytes, key: str = "k") -> dict[str, Any]:
    return {"data": {key: base64.b64encode(content).decode()}}


async def test_it_is_read_from_the_volumes_own_namespace_to_the_letter() -> None:
    secrets = Secrets(holding("Zürich, 8000 \n".encode()))
    assert await Passphrases(SecretValues(secrets)).of(ENCRYPTED) == "Zürich, 8000 \n"
    assert secrets.asked == [(SECRETS, "disk-key", "shop")]


async def test_a_volume_that_is_not_encrypted_needs_none() -> None:
    secrets = Secrets(NotFound("There is none."))
    assert await Passphrases(SecretValues(secrets)).of(volume(None)) == ""
    assert secrets.asked == []


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (NotFound("There is none."), "SecretNotFound", "its Secret disk-key is not there"),
        (Forbidden("You may not."), "SecretNotGranted", "about to be allowed to read its Secret disk-key"),
        (holding(b"hush", "other"), "SecretNotFound", "Secret disk-key has no key k"),
        (holding(b""), "SecretNotFound", "no passphrase of 1 to 512 bytes"),
        (holding(b"h" * 513), "SecretNotFound", "no passphrase of 1 to 512 bytes"),
        (holding(b"hu\0sh"), "SecretNotFound", "no passphrase of 1 to 512 bytes"),
        (holding(b"\xff\xfe"), "SecretNotFound", "under k is no text"),
        ({"data": {"k": "no base64!"}}, "SecretNotFound", "under k is no text"),
    ],
)
async def test_what_is_missing_is_waited_for_and_named(
    answer: dict[str, Any] | Exception, reason: str, words: str
) -> None:
    with pytest.raises(WaitingError) as caught:
        await Passphrases(SecretValues(Secrets(answer))).of(ENCRYPTED)
    assert caught.value.reason == reason
    assert words in caught.value.message
    assert "hush" not in str(caught.value)
