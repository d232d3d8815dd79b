"""The operator's certificate ends while it runs, and so does the authority of hosts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from quantix_api.installation import all_manifests
from quantix_api.resources import CA_CONFIG_MAP, CONFIG_MAPS, INSTANCE_TYPES, NAMESPACE_SHARED, SECRETS
from quantix_client import ApiClient, NotFound
from quantix_client.kubeconfig import load
from quantix_lab.control_plane import ControlPlane
from quantix_lab.operator_process import OperatorProcess, becomes_ready
from quantix_operator.certificates.authority import load_authority, new_authority

from .conftest import wait_until_served

_LIFETIME_S = 18


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane whose certificates live for seconds."""
    with ControlPlane(tmp_path / "plane", flags=[f"--certificate-lifetime={_LIFETIME_S}s"]) as plane:
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(all_manifests()))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        wait_until_served(plane)
        yield plane


@pytest.fixture
async def its_admin(short_lived: ControlPlane) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(short_lived.admin_kubeconfig, user_agent="test") as client:
        yield client


def certificate(kubeconfig: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((load(kubeconfig).certificate_pem or "").encode())


async def ended(certificate: x509.Certificate) -> None:
    """Until some moment after the certificate's end, which no clock of a test can bring nearer."""
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert left < timedelta(seconds=_LIFETIME_S)
    await asyncio.sleep(max(0.0, left.total_seconds()) + 1)


async def decides_and_watches(operator: OperatorProcess, admin: ApiClient, name: str) -> None:
    """It writes (our client), and hears of a creation and of a deletion at once (kopf)."""
    await becomes_ready(admin, name, 8)
    live = await admin.get(INSTANCE_TYPES, name)
    count = 'quantix_operator_objects{resource="instancetypes"} 1.0'
    await asyncio.to_thread(operator.wait_for_answer, "/metrics", count, timeout_s=5.0)
    await admin.delete(INSTANCE_TYPES, name, uid=live["metadata"]["uid"])
    gone = 'quantix_operator_objects{resource="instancetypes"} 0.0'
    await asyncio.to_thread(operator.wait_for_answer, "/metrics", gone, timeout_s=5.0)


async def test_the_operator_goes_on_when_its_certificate_has_ended(
    short_lived: ControlPlane, its_admin: ApiClient, tmp_path: Path
) -> None:
    with OperatorProcess(tmp_path / "one", short_lived.operator_kubeconfig) as operator:
        await asyncio.to_thread(operator.wait_for_log, "leadership acquired")
        first = certificate(short_lived.operator_kubeconfig)
        await ended(first)
        assert certificate(short_lived.operator_kubeconfig).not_valid_after_utc > datetime.now(UTC)
        await decides_and_watches(operator, its_admin, "over-old-connections")

        # every connection of its watches ends, and none can be made with the first certificate
        await asyncio.to_thread(short_lived.stop)
        await asyncio.to_thread(short_lived.start)
        await asyncio.to_thread(wait_until_served, short_lived)
        await decides_and_watches(operator, its_admin, "over-new-connections")
        assert not any("started anew" in line for line in operator.lines())
        assert sum("operator started" in line for line in operator.lines()) == 1
        assert await asyncio.to_thread(operator.stop) == 0


async def test_an_authority_of_hosts_that_is_due_is_renewed_for_the_same_key(
    plane: ControlPlane, admin: ApiClient, tmp_path: Path
) -> None:
    old = new_authority("uid", datetime.now(UTC) - timedelta(days=3400))
    data = {
        name: base64.b64encode(text.encode()).decode()
        for name, text in (("tls.crt", old.certificate_pem), ("tls.key", old.key_pem))
    }
    with contextlib.suppress(NotFound):
        await admin.delete(SECRETS, "quantix-ca", "quantix-system")
    metadata = {"name": "quantix-ca", "namespace": "quantix-system"}
    await admin.create(SECRETS, {"metadata": metadata, "type": "kubernetes.io/tls", "data": data})
    with OperatorProcess(tmp_path / "one", plane.operator_kubeconfig) as operator:
        await asyncio.to_thread(operator.wait_for_log, "certificate authority renewed")
        await asyncio.to_thread(
            operator.wait_for_answer,
            "/metrics",
            'certificate_ends_timestamp_seconds{certificate="api-authority"}',
        )
        published = await admin.get(CONFIG_MAPS, CA_CONFIG_MAP, NAMESPACE_SHARED)
        secret = await admin.get(SECRETS, "quantix-ca", "quantix-system")
        assert await asyncio.to_thread(operator.stop) == 0
    text = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    young = load_authority(text["tls.crt"], text["tls.key"])
    assert young.key_pem == old.key_pem
    assert young.certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3600)
    assert published["data"]["ca.crt"] == young.certificate_pem
