"""The operator's certificate ends while it runs, and so does the authority of hosts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from quantix_api.resources import CA_CONFIG_MAP, CONFIG_MAPS, INSTANCE_TYPES, NAMESPACE_SHARED, SECRETS
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound
from quantix_client.kubeconfig import load
from quantix_lab.api_installation import installed_plane, wait_until_served
from quantix_lab.control_plane import ControlPlane
from quantix_lab.operator_process import OperatorProcess, becomes_ready
from quantix_lab.waiting import eventually_async
from quantix_operator.certificates.authority import load_authority, new_authority

_LIFETIME_S = 36


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane whose certificates live for seconds."""
    flags = [f"--certificate-lifetime={_LIFETIME_S}s"]
    with installed_plane(tmp_path / "plane", flags) as plane:
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


async def hears_at_once(operator: OperatorProcess, admin: ApiClient, name: str) -> None:
    """kopf tells it of a creation and of a deletion, long before a full list would."""
    count = 'quantix_operator_objects{{phase="",resource="instancetypes"}} {}.0'
    live = await admin.get(INSTANCE_TYPES, name)
    await asyncio.to_thread(operator.wait_for_answer, "/metrics", count.format(1))
    await admin.delete(INSTANCE_TYPES, name, uid=live["metadata"]["uid"])
    await asyncio.to_thread(operator.wait_for_answer, "/metrics", count.format(0))


def went_on(operator: OperatorProcess) -> bool:
    """It is the process that was started, and never said that it has to be started anew."""
    return not any("started anew" in line for line in operator.lines())


async def test_the_operator_goes_on_when_its_certificate_has_ended(
    short_lived: ControlPlane, its_admin: ApiClient, tmp_path: Path
) -> None:
    leader = OperatorProcess(tmp_path / "one", short_lived.operator_kubeconfig)
    standby = OperatorProcess(tmp_path / "two", short_lived.operator_kubeconfig)
    with leader:
        await asyncio.to_thread(leader.wait_for_log, "leadership acquired")
        with standby:
            await asyncio.to_thread(standby.wait_for_answer, "/readyz", "ok")
            await ended(certificate(short_lived.operator_kubeconfig))
            assert certificate(short_lived.operator_kubeconfig).not_valid_after_utc > datetime.now(UTC)
            await becomes_ready(its_admin, "over-old-connections", 15)
            await hears_at_once(leader, its_admin, "over-old-connections")
            assert went_on(leader)
            assert went_on(standby)

            # every connection ends, and none can be made with the first certificate; a leader would have to
            # end when the API was away for too long, the other one only waits
            await asyncio.to_thread(short_lived.stop)
            await asyncio.to_thread(leader.kill9)
            await asyncio.to_thread(short_lived.start)
            await asyncio.to_thread(wait_until_served, short_lived)
            await becomes_ready(its_admin, "over-new-connections", 90)
            await hears_at_once(standby, its_admin, "over-new-connections")
            assert went_on(standby)
            assert await asyncio.to_thread(standby.stop) == 0


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
        secret = await admin.get(SECRETS, "quantix-ca", "quantix-system")
        renewed = base64.b64decode(secret["data"]["tls.crt"]).decode()

        async def published() -> bool:
            try:
                found = await admin.get(CONFIG_MAPS, CA_CONFIG_MAP, NAMESPACE_SHARED)
            except NotFound:
                return False
            return bool(found["data"]["ca.crt"] == renewed)

        # it is written after the Secret, and after what the log says
        await eventually_async("hosts to be told the renewed authority", published)
        assert await asyncio.to_thread(operator.stop) == 0
    text = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    young = load_authority(text["tls.crt"], text["tls.key"])
    assert young.key_pem == old.key_pem
    assert young.certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3600)
