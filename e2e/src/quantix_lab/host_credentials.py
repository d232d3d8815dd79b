"""What a host presents to the API server where nobody joins: signed with the authority's own key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from quantix_lab.control_plane import ControlPlane
from quantix_lab.kubeconfig import write_kubeconfig
from quantix_lab.signing_requests import host_subject


def host_kubeconfig(plane: ControlPlane, root: Path, name: str) -> Path:
    """A kubeconfig of user quantix:host:NAME below `root`, good for an hour.

    The control plane's own authority signs it, as no host could ask for it.
    """
    folder = root / f"host-{name}"
    folder.mkdir()
    certificate, key = _signed(plane, name)
    (folder / "tls.crt").write_bytes(certificate)
    (folder / "tls.key").write_bytes(key)
    files = {"client-certificate": str(folder / "tls.crt"), "client-key": str(folder / "tls.key")}
    return write_kubeconfig(folder / "kubeconfig", plane.server, ca_pem=plane.ca_pem, **files)


def _signed(plane: ControlPlane, name: str) -> tuple[bytes, bytes]:
    """(certificate, key) of host `name`, in PEM."""
    pki = plane.data_dir / "pki"
    authority = x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes())
    signer = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in host_subject(name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())  # type: ignore[arg-type]  # an EC key, as the control plane makes it
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_pem
