"""Writes the golden files anew. Run by hand after a wanted change of the renderer, then read the diff."""

from __future__ import annotations

from pathlib import Path

from quantix_hostd.domainxml.render import render_domain
from quantix_lab.domain_samples import kvm_only, layered, networked, samples

if __name__ == "__main__":
    root, golden = Path("/q"), Path(__file__).parent / "golden"
    for name, spec in {**samples(root), **networked(root), **kvm_only(root), **layered(root)}.items():
        (golden / f"{name}.xml").write_text(render_domain(spec))
