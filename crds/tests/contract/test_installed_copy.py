"""What worlds begin with, a copy of a database in which Quantix is installed: it brings nobody's identity."""

from __future__ import annotations

from quantix_api.installation import all_manifests
from quantix_lab.api_as import ApiAs
from quantix_lab.api_installation import database_of
from quantix_lab.control_plane import ControlPlane

TRUSTED = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


def test_a_world_publishes_its_own_authority_and_no_other(quantix_server: ControlPlane, api: ApiAs) -> None:
    own = (quantix_server.data_dir / "pki/ca.crt").read_text()
    assert api.call("GET", TRUSTED).body["data"]["client-ca-file"] == own


def test_what_is_copied_holds_no_secrets_and_no_keys(quantix_server: ControlPlane) -> None:
    database = database_of(quantix_server, all_manifests())
    assert [path.name for path in database.iterdir()] == ["member"], "etcd's, and nothing beside it"
    content = b"".join(path.read_bytes() for path in database.rglob("*") if path.is_file())
    assert b"/registry/namespaces/quantix-system" in content
    assert b"/registry/secrets/" not in content
    assert b"PRIVATE KEY" not in content


def test_secrets_are_kept_with_a_key_of_its_own(quantix_server: ControlPlane, namespace: str) -> None:
    quantix_server.kubectl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=a=b")
    encoded = quantix_server.kubectl("get", "secret", "s", "-n", namespace, "-o", "jsonpath={.data.a}")
    assert encoded == "Yg=="
