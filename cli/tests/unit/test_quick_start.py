"""What loading the client leaves out, so that nobody waits for it. `make bench-cli` takes the times."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from quantix_cli.session import load_client


def run_python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_the_client_is_loaded_without_models_and_without_the_systems_authorities() -> None:
    said = run_python(
        "import sys; from quantix_cli.session import load_client; load_client()\n"
        "from aiohttp import connector\n"
        "print(connector._SSL_CONTEXT_VERIFIED.cert_store_stats()['x509'], 'pydantic' in sys.modules)"
    )
    assert said.split() == ["0", "False"]


def test_loading_the_client_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/own.pem")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    load_client()
    assert os.environ["SSL_CERT_FILE"] == "/etc/own.pem"
    assert "SSL_CERT_DIR" not in os.environ
