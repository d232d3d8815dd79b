"""What lets a new host, and the operator on a foreign cluster, speak to the API for the first time."""

from __future__ import annotations

import base64
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from quantix_api import resources
from quantix_api.resources import BOOTSTRAP_GROUP, MANAGER_SETUP, NAMESPACE_SYSTEM
from quantix_api.times import render_time
from quantix_cli.whole_file import write_whole
from quantix_client.api import ApiClient
from quantix_client.kubeconfig import load, render

TOKEN_LIFE = timedelta(minutes=10)
# somebody walks to the other machine, and it installs its packages before it joins
ADMITTED_LIFE = timedelta(hours=1)
TOKEN_NAMESPACE, TOKEN_TYPE = "kube-system", "bootstrap.kubernetes.io/token"
BOOTSTRAP_USER_PREFIX = "system:bootstrap:"
OPERATOR_ACCOUNT = "quantix-operator"
OPERATOR_TOKEN_S = 365 * 24 * 3600
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def _letters(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))


def render_bootstrap_secret(
    host: str, identifier: str, secret: str, now: datetime, life: timedelta = TOKEN_LIFE
) -> dict[str, Any]:
    """A bootstrap token for one host (Kubernetes, "Authenticating with Bootstrap Tokens"; `host` is ours)."""
    fields = {
        "token-id": identifier,
        "token-secret": secret,
        "expiration": render_time(now + life),
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": BOOTSTRAP_GROUP,
        "host": host,
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in fields.items()}
    return {
        "metadata": {"name": f"bootstrap-token-{identifier}", "namespace": TOKEN_NAMESPACE},
        "type": TOKEN_TYPE,
        "data": encoded,
    }


def token_kubeconfig(admin: Path, user: str, token: str) -> str:
    """A kubeconfig that reaches the API as `admin` does, and shows a bearer token instead."""
    return render(replace(load(admin), certificate_pem=None, key_pem=None, token=token), user)


async def give_bootstrap_token(client: ApiClient, admin: Path, target: Path, host: str) -> None:
    """Make a token with which exactly `host` may join within 10 minutes, and write its kubeconfig."""
    token = await make_bootstrap_token(client, host, TOKEN_LIFE)
    write_whole(target, token_kubeconfig(admin, f"host-{host}", token))


async def make_bootstrap_token(client: ApiClient, host: str, life: timedelta) -> str:
    """Make a token with which exactly `host` may join."""
    identifier, secret = _letters(6), _letters(16)
    manifest = render_bootstrap_secret(host, identifier, secret, datetime.now(UTC), life)
    await client.apply(resources.SECRETS, manifest, manager=MANAGER_SETUP)
    return f"{identifier}.{secret}"


async def drop_tokens(client: ApiClient, host: str) -> None:
    """Make the tokens void with which `host` was let in before."""
    wanted = base64.b64encode(host.encode()).decode()
    for secret in (await client.list(resources.SECRETS, TOKEN_NAMESPACE)).items:
        if secret.get("type") == TOKEN_TYPE and (secret.get("data") or {}).get("host") == wanted:
            await client.delete(resources.SECRETS, secret["metadata"]["name"], TOKEN_NAMESPACE)


async def drop_requests(client: ApiClient, host: str) -> None:
    """Remove the certificate requests of a host that got none: they belong to a token that is used up."""
    for request in (await client.list(resources.CSRS)).items:
        name = request["metadata"]["name"]
        mine = request["spec"].get("username", "").startswith(BOOTSTRAP_USER_PREFIX)
        if (
            mine
            and name.startswith(f"quantix-client-{host}-")
            and not (request.get("status") or {}).get("certificate")
        ):
            await client.delete(resources.CSRS, name)


async def give_operator_token(client: ApiClient, admin: Path, target: Path) -> None:
    """On a cluster of the user's own: write a kubeconfig with a token of the operator's service account."""
    account = {"metadata": {"name": OPERATOR_ACCOUNT, "namespace": NAMESPACE_SYSTEM}}
    await client.apply(resources.SERVICE_ACCOUNTS, account, manager=MANAGER_SETUP)
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": OPERATOR_TOKEN_S},
    }
    path = f"/api/v1/namespaces/{NAMESPACE_SYSTEM}/serviceaccounts/{OPERATOR_ACCOUNT}/token"
    answer = await client.request("POST", path, json=asked)
    write_whole(target, token_kubeconfig(admin, OPERATOR_ACCOUNT, str(answer["status"]["token"])))
