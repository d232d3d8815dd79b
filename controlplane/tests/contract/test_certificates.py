"""Who somebody is: the two kubeconfigs, their renewal, and how a host gets its certificate."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import secrets
import ssl
import time
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from quantix_api.times import render_time
from quantix_client.api import ApiClient
from quantix_lab.control_plane import ControlPlane, ControlPlaneError
from quantix_lab.signing_requests import encoded_request, host_subject

OPERATOR = "system:serviceaccount:quantix-system:quantix-operator"


def whoami(control_plane: ControlPlane, kubeconfig: Path) -> tuple[str, set[str]]:
    answer = json.loads(control_plane.kubectl("auth", "whoami", "-o", "json", kubeconfig=kubeconfig))
    user = answer["status"]["userInfo"]
    return user["username"], set(user["groups"])


def test_the_administrator_may_do_everything(control_plane: ControlPlane) -> None:
    name, groups = whoami(control_plane, control_plane.admin_kubeconfig)
    assert name == "quantix:admin"
    assert "system:masters" in groups
    assert control_plane.kubectl("auth", "can-i", "*", "*").strip() == "yes"


def test_the_operator_is_its_service_account_without_rights_of_its_own(control_plane: ControlPlane) -> None:
    name, groups = whoami(control_plane, control_plane.operator_kubeconfig)
    assert name == OPERATOR
    assert groups == {
        "system:serviceaccounts",
        "system:serviceaccounts:quantix-system",
        "system:authenticated",
    }
    with pytest.raises(ControlPlaneError, match="forbidden"):
        control_plane.kubectl("get", "secrets", "-A", kubeconfig=control_plane.operator_kubeconfig)


def client_certificate(kubeconfig: Path) -> x509.Certificate:
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
    return x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))


def serving_certificate(control_plane: ControlPlane) -> x509.Certificate:
    return x509.load_pem_x509_certificate(
        ssl.get_server_certificate(("127.0.0.1", control_plane.port)).encode()
    )


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def test_certificates_are_renewed_while_it_runs(tmp_path: Path) -> None:
    with ControlPlane(tmp_path, flags=["--certificate-lifetime=12s"]) as running:
        kubeconfigs = [running.admin_kubeconfig, running.operator_kubeconfig]
        first = [serving_certificate(running), *map(client_certificate, kubeconfigs)]
        running.kubectl("config", "set-context", "--current", "--namespace=mine")
        last_end = max(certificate.not_valid_after_utc for certificate in first)
        while now() <= last_end + datetime.timedelta(seconds=1):
            assert running.kubectl("get", "namespace", "default", "-o", "name").strip() == "namespace/default"
            time.sleep(0.5)
        renewed = [serving_certificate(running), *map(client_certificate, kubeconfigs)]
        assert all(
            new.not_valid_after_utc > old.not_valid_after_utc for new, old in zip(renewed, first, strict=True)
        )
        assert all(certificate.not_valid_after_utc > now() for certificate in renewed)
        assert running.kubectl("config", "view", "-o", "jsonpath={.contexts[0].context.namespace}") == "mine"


async def test_clients_that_run_go_on_when_their_certificates_and_the_servers_end(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path, flags=["--certificate-lifetime=15s"])
    await asyncio.to_thread(plane.start)
    try:
        users = {plane.admin_kubeconfig: "quantix:admin", plane.operator_kubeconfig: OPERATOR}
        first = [serving_certificate(plane), *map(client_certificate, users)]
        last_end = max(certificate.not_valid_after_utc for certificate in first)
        await asyncio.gather(*(asks_until(last_end, *who) for who in users.items()))
    finally:
        await asyncio.to_thread(plane.stop)


async def asks_until(last_end: datetime.datetime, kubeconfig: Path, name: str) -> None:
    """One client asks who it is, until some moment after the certificates' end."""
    async with ApiClient.from_kubeconfig(kubeconfig, user_agent="test") as client:
        while now() <= last_end + datetime.timedelta(seconds=1):
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
            answer = await client.request("POST", path, json=review)
            assert answer["status"]["userInfo"]["username"] == name
            await asyncio.sleep(0.3)


def test_the_serving_certificate_has_the_names_that_were_asked_for(tmp_path: Path) -> None:
    with ControlPlane(tmp_path, flags=["--san=quantix.example", "--san=192.0.2.7"]) as running:
        names = (
            serving_certificate(running).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        )
    assert {"localhost", "quantix.example"} <= set(names.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "::1", "192.0.2.7"} <= {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}


def kubeconfig_of(control_plane: ControlPlane, path: Path, user: dict[str, str]) -> Path:
    config = yaml.safe_load(control_plane.admin_kubeconfig.read_text())
    config["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(config))
    return path


def bootstrap_token(control_plane: ControlPlane, lifetime: datetime.timedelta) -> tuple[str, str]:
    """Makes a token as `qx host add` does; gives the name of its Secret and the token."""
    token_id, token_secret = secrets.token_hex(3), secrets.token_hex(8)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": f"bootstrap-token-{token_id}", "namespace": "kube-system"},
        "stringData": {
            "token-id": token_id,
            "token-secret": token_secret,
            "expiration": render_time(now() + lifetime),
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:quantix",
            "host": "box",
        },
    }
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(secret))
    return f"bootstrap-token-{token_id}", f"{token_id}.{token_secret}"


JOINERS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-joiners}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:node-bootstrapper}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:bootstrappers:quantix"}]
"""


def request(name: str, key: ec.EllipticCurvePrivateKey, expiration_s: int | None) -> str:
    spec: dict[str, object] = {
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
        "request": encoded_request(key, host_subject("box")),
    }
    if expiration_s is not None:
        spec["expirationSeconds"] = expiration_s
    return json.dumps(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": spec,
        }
    )


@pytest.mark.parametrize(
    ("asked_s", "granted_s"), [(None, 30 * 86400), (3600, 3600), (90 * 86400, 30 * 86400)]
)
def test_a_host_joins_with_a_token_and_goes_on_with_a_certificate(
    control_plane: ControlPlane, tmp_path: Path, asked_s: int | None, granted_s: int
) -> None:
    control_plane.kubectl("apply", "-f", "-", stdin=JOINERS)
    _, token = bootstrap_token(control_plane, datetime.timedelta(hours=1))
    joining = kubeconfig_of(control_plane, tmp_path / "joining", {"token": token})
    user, groups = whoami(control_plane, joining)
    assert user == f"system:bootstrap:{token.partition('.')[0]}"
    assert "system:bootstrappers:quantix" in groups

    name, key = f"join-{secrets.token_hex(4)}", ec.generate_private_key(ec.SECP256R1())
    control_plane.kubectl("create", "-f", "-", stdin=request(name, key, asked_s), kubeconfig=joining)
    control_plane.kubectl("certificate", "approve", name)
    control_plane.kubectl("wait", f"csr/{name}", "--for=jsonpath={.status.certificate}", "--timeout=30s")
    encoded = control_plane.kubectl("get", "csr", name, "-o", "jsonpath={.status.certificate}")
    certificate = x509.load_pem_x509_certificate(base64.b64decode(encoded))
    granted = certificate.not_valid_after_utc - now()
    assert abs(granted.total_seconds() - granted_s) < 600  # the signer backdates by five minutes

    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    user_entry = {"client-certificate-data": encoded, "client-key-data": base64.b64encode(private).decode()}
    joined = kubeconfig_of(control_plane, tmp_path / "joined", user_entry)
    assert whoami(control_plane, joined) == ("quantix:host:box", {"quantix:hosts", "system:authenticated"})


def test_a_token_is_refused_and_cleared_when_its_time_is_over(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    name, token = bootstrap_token(control_plane, datetime.timedelta(seconds=3))
    control_plane.kubectl("wait", f"secret/{name}", "-n", "kube-system", "--for=delete", "--timeout=30s")
    with pytest.raises(ControlPlaneError, match=r"[Uu]nauthorized|logged in"):
        whoami(control_plane, kubeconfig_of(control_plane, tmp_path / "late", {"token": token}))


def test_a_service_account_token_is_good(control_plane: ControlPlane, tmp_path: Path) -> None:
    name = f"sa-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "serviceaccount", name)
    token = control_plane.kubectl("create", "token", name).strip()
    user, _ = whoami(control_plane, kubeconfig_of(control_plane, tmp_path / "sa", {"token": token}))
    assert user == f"system:serviceaccount:default:{name}"
