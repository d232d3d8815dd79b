"""What is read from a kubeconfig, and how one that cannot be used is refused."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from quantix_api.errors import PermanentError
from quantix_client import kubeconfig

_INSECURE = {
    "clusters": [{"name": "it", "cluster": {"server": "https://x", "insecure-skip-tls-verify": True}}]
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clusters": [{"name": "it", "cluster": {"server": "http://192.0.2.1"}}]}, "without TLS"),
        ({"clusters": [{"name": "it", "cluster": {"server": "ftp://x"}}]}, "no https address"),
        (
            _INSECURE,
            "turns off TLS verification",
        ),
        ({"users": [{"name": "me", "user": {"exec": {"command": "x"}}}]}, "uses exec"),
        ({"users": [{"name": "me", "user": {"client-certificate-data": "eA=="}}]}, "not both"),
        ({"users": [{"name": "me", "user": {"client-key-data": "%%%"}}]}, "not base64"),
        ({"users": [{"name": "me", "user": {"tokenFile": "nowhere"}}]}, "cannot be read"),
        ({"current-context": "other"}, "no context named 'other'"),
    ],
)
def test_an_unusable_kubeconfig_says_what_is_wrong(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    document: dict[str, object] = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "clusters": [{"name": "it", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "me", "user": {}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(document | change))
    with pytest.raises(PermanentError, match=words):
        kubeconfig.load(path)


@pytest.mark.parametrize("content", ["", "[1, 2]", "{", "\x00"])
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(PermanentError) as caught:
        kubeconfig.load(path)
    assert caught.value.reason == "KubeconfigInvalid"


@pytest.mark.parametrize(
    "access",
    [
        kubeconfig.Access("https://[fd00::1]:6443", "CA\n", "CERTIFICATE\n", "KEY\n"),
        kubeconfig.Access("https://10.0.0.1:6443", "CA\n", token="t", tls_server_name="api.example"),
        kubeconfig.Access("http://127.0.0.1:8001"),
    ],
)
def test_what_is_written_is_read_as_it_was(tmp_path: Path, access: kubeconfig.Access) -> None:
    path = tmp_path / "config"
    path.write_text(kubeconfig.render(access, "box"))
    assert replace(kubeconfig.load(path), watched=()) == access
    assert kubeconfig.context_names(path) == ("quantix",)


def test_a_missing_kubeconfig_names_its_path_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="There is no kubeconfig") as caught:
        kubeconfig.load(tmp_path / "config")
    assert caught.value.hint


def test_credentials_never_show_in_a_representation(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        "{current-context: it, contexts: [{name: it, context: {cluster: it, user: me}}],"
        " clusters: [{name: it, cluster: {server: 'https://127.0.0.1:1'}}],"
        " users: [{name: me, user: {token: abcdef-the-token}}]}"
    )
    access = kubeconfig.load(path)
    assert access.headers == {"Authorization": "Bearer abcdef-the-token"}
    assert "abcdef" not in repr(access)


def test_a_rewritten_file_changes_the_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = kubeconfig.fingerprint((path,))
    path.write_bytes(base64.b64encode(os.urandom(9)))
    after = kubeconfig.fingerprint((path,))
    assert before != after
