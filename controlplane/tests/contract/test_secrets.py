"""What may never be read: secrets at rest, in the audit log, or by other users of the machine."""

from __future__ import annotations

import base64
import json
import subprocess
import uuid
from pathlib import Path

import pytest

from quantix_lab.control_plane import ControlPlane, ControlPlaneError


def stored(control_plane: ControlPlane) -> bytes:
    """Every byte that the store keeps: database and log."""
    files = [path for path in (control_plane.data_dir / "etcd").rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


def test_secrets_are_encrypted_at_rest(control_plane: ControlPlane) -> None:
    hidden, open_text = f"hidden-{uuid.uuid4()}", f"open-{uuid.uuid4()}"
    name = f"s-{uuid.uuid4()}"
    control_plane.kubectl("create", "secret", "generic", name, f"--from-literal=password={hidden}")
    control_plane.kubectl("create", "configmap", name, f"--from-literal=text={open_text}")
    content = stored(control_plane)
    assert open_text.encode() in content
    assert hidden.encode() not in content
    assert f"/registry/secrets/default/{name}".encode() in content
    assert b"k8s:enc:secretbox:v1:key1:" in content


def read(control_plane: ControlPlane, name: str) -> str:
    encoded = control_plane.kubectl("get", "secret", name, "-o", "jsonpath={.data.password}")
    return base64.b64decode(encoded).decode()


def rotation(control_plane: ControlPlane, *flags: str) -> list[str | Path]:
    return [control_plane.binary, "rotate-secrets-key", "--data-dir", control_plane.data_dir, *flags]


def rotate(control_plane: ControlPlane, *flags: str) -> str:
    command = rotation(control_plane, *flags)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    control_plane.stop()
    control_plane.start()
    return done.stdout


def test_the_key_of_secrets_is_changed_without_losing_one(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        plane.kubectl("create", "secret", "generic", "old", "--from-literal=password=one")
        assert "key2" in rotate(plane)
        assert read(plane, "old") == "one"
        plane.kubectl("create", "secret", "generic", "new", "--from-literal=password=two")
        content = stored(plane)
        assert b"k8s:enc:secretbox:v1:key1:" in content
        assert b"k8s:enc:secretbox:v1:key2:" in content

        everything = plane.kubectl("get", "secrets", "-A", "-o", "json")
        plane.kubectl("replace", "-f", "-", stdin=everything)
        rotate(plane, "--forget-old")
        assert "key1" not in (plane.data_dir / "pki/secrets-encryption.yaml").read_text()
        assert (read(plane, "old"), read(plane, "new")) == ("one", "two")
        plane.kubectl("get", "secrets", "-A")


def test_a_key_that_was_forgotten_too_early_is_put_back(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        plane.kubectl("create", "secret", "generic", "old", "--from-literal=password=one")
        keys = plane.data_dir / "pki/secrets-encryption.yaml"
        rotate(plane)
        plane.stop()
        subprocess.run(rotation(plane, "--forget-old"), check=True, capture_output=True, timeout=30)
        # three times as long as a start takes on a busy machine
        impatient = ControlPlane(tmp_path, ready_timeout_s=20)
        with pytest.raises(ControlPlaneError, match="not ready"):
            impatient.start()
        assert "no matching key was found" in plane.output.read_text()
        keys.with_name(f"{keys.name}.before").rename(keys)
        plane.start()
        assert read(plane, "old") == "one"


def audit(control_plane: ControlPlane) -> tuple[str, list[dict[str, object]]]:
    text = (control_plane.log_dir / "audit.log").read_text()
    return text, [json.loads(line) for line in text.splitlines()]


def test_the_audit_log_has_who_wrote_what_and_no_bodies(control_plane: ControlPlane) -> None:
    hidden, name = f"hidden-{uuid.uuid4()}", f"s-{uuid.uuid4()}"
    control_plane.kubectl("create", "secret", "generic", name, f"--from-literal=password={hidden}")
    control_plane.kubectl("get", "secret", name)
    control_plane.kubectl("delete", "secret", name)
    text, events = audit(control_plane)
    assert hidden not in text
    mine = [event for event in events if name in json.dumps(event.get("objectRef", {}))]
    assert [event["verb"] for event in mine] == ["create", "delete"]
    assert {event["user"]["username"] for event in mine} == {"quantix:admin"}  # type: ignore[index]
    assert not any("requestObject" in event or "responseObject" in event for event in events)


def test_the_audit_log_leaves_out_reads_reviews_and_heartbeats(control_plane: ControlPlane) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"beat-{uuid.uuid4()}", "namespace": "default"},
        "spec": {"holderIdentity": "me"},
    }
    name = str(lease["metadata"]["name"])  # type: ignore[index]
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(lease))
    control_plane.kubectl("patch", "lease", name, "--type=merge", '--patch={"spec":{"holderIdentity":"you"}}')
    control_plane.kubectl("auth", "can-i", "create", "leases")
    _, events = audit(control_plane)
    of_lease = [event["verb"] for event in events if name in json.dumps(event.get("objectRef", {}))]
    assert of_lease == ["create"]
    resources = {event["objectRef"]["resource"] for event in events if "objectRef" in event}  # type: ignore[index]
    assert not resources & {"selfsubjectaccessreviews", "tokenreviews", "events"}
    assert not {str(event["verb"]) for event in events} & {"get", "list", "watch"}


@pytest.mark.parametrize(
    "path",
    [
        "etc/admin.kubeconfig",
        "etc/operator.kubeconfig",
        "data/pki/ca.key",
        "data/pki/serving.pem",
        "data/pki/service-account.key",
        "data/pki/secrets-encryption.yaml",
        "log/audit.log",
    ],
)
def test_files_with_secrets_are_for_their_owner_only(control_plane: ControlPlane, path: str) -> None:
    assert (control_plane.root / Path(path)).stat().st_mode & 0o777 == 0o600
