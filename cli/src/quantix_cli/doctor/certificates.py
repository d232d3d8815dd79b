"""How long the certificates of this machine are still good.

All of them renew themselves: one that is near its end means that its renewal does not work
(docs/certificates.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from quantix_api.errors import QuantixError
from quantix_api.layout import Layout
from quantix_cli.doctor.findings import Finding, Verdict, good, problem, unknown
from quantix_cli.measures import how_long

# they are renewed after two thirds of their life
_LATE = 0.25


@dataclass(frozen=True)
class Life:
    """From when to when the certificate in a file is good."""

    file: Path
    begins: datetime
    ends: datetime


def certificates(layout: Layout) -> list[Finding]:
    """Every certificate of the installation: what is wrong with it, and how long the rest is good."""
    found = list(_found(layout))
    lives = [life for life in found if isinstance(life, Life)]
    return [*judged(lives, datetime.now(UTC)), *(other for other in found if isinstance(other, Finding))]


def judged(lives: Sequence[Life], now: datetime) -> list[Finding]:
    """One finding for each that is wrong, and one for all the others. Pure."""
    findings = [judge(life, now) for life in sorted(lives, key=lambda life: life.ends)]
    fine = [finding for finding in findings if finding.verdict is Verdict.GOOD]
    rest = [finding for finding in findings if finding.verdict is not Verdict.GOOD]
    if not fine:
        return rest
    more = f"; {len(fine) - 1} more end later" if len(fine) > 1 else ""
    return [*rest, good("certificates", f"{fine[0].text}{more}")]


def judge(life: Life, now: datetime) -> Finding:
    """Whether a certificate is good, and will be. Pure."""
    name, left = life.file.name, (life.ends - now).total_seconds()
    if life.begins > now:
        ahead = how_long((life.begins - now).total_seconds())
        said = f"{name} is not good before {ahead} from now"
        return problem("certificates", said, "set this machine's clock right")
    if left <= 0:
        said = f"{name} ended {how_long(-left)} ago"
        return problem("certificates", said, "make up; docs/certificates.md says who renews it")
    if left < _LATE * (life.ends - life.begins).total_seconds():
        said = f"{name} ends in {how_long(left)}, and should have been renewed"
        return problem("certificates", said, "docs/certificates.md says who renews it")
    return good("certificates", f"{name} is good for {how_long(left)}")


def _found(layout: Layout) -> Iterator[Life | Finding]:
    authority = layout.control_plane_data / "pki"
    for path in (layout.admin_kubeconfig, layout.operator_kubeconfig, layout.hostd_kubeconfig):
        yield from _look(path, is_kubeconfig=True)
    own = (layout.pki / "serving.crt", layout.ovn_certificate, layout.ovn_authority)
    for path in (*own, authority / "ca.crt", authority / "serving.pem"):
        yield from _look(path, is_kubeconfig=False)


def _look(path: Path, *, is_kubeconfig: bool) -> Iterator[Life | Finding]:
    from quantix_client.kubeconfig import load  # loads yaml

    try:
        if not path.exists():
            return
        pem = load(path).certificate_pem if is_kubeconfig else path.read_text()
        if pem:
            yield life_of(path, pem)
    except PermissionError:
        yield unknown("certificates", f"{path.name} is root's", "qx doctor as root")
    except (OSError, ValueError, QuantixError) as error:
        yield problem("certificates", f"{path.name} cannot be read: {error}", "make up")


def life_of(path: Path, pem: str) -> Life:
    """The life of the first certificate in a PEM text. Raises ValueError."""
    from cryptography import x509  # 0.1 s that nothing else has to pay

    begin = pem.find("-----BEGIN CERTIFICATE-----")
    if begin < 0:
        raise ValueError("it holds no certificate")
    certificate = x509.load_pem_x509_certificate(pem[begin:].encode())
    return Life(path, certificate.not_valid_before_utc, certificate.not_valid_after_utc)
