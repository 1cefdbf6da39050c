"""scripts/leaks finds what it looks for, and in the checkout nothing."""

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from ledger.tlog.note import format_skey, generate_key

SCRIPT = Path(__file__).parents[1] / "scripts" / "leaks"


def loaded() -> ModuleType:
    loader = SourceFileLoader("leaks_script", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


SAMPLES = {
    "a signed-note private key": format_skey(generate_key("ledger.example/lab", b"\1" * 32)[0]),
    "a webhook's secret": "whsec" + "_" + "Q" * 32,
    "a PEM private key": "-----BEGIN EC PRIVATE" + " KEY-----",
    "an AWS access key": "AKIA" + "Q7" * 8,
    "a GitHub token": "ghp" + "_" + "aB3" * 12,
    "a JSON web token": "eyJ" + "a" * 20 + ".eyJ" + "b" * 20 + "." + "c" * 30,
    "a password in an address": "postgresql" + "://ledger:" + "hunter22" + "@db/ledger",
}


@pytest.mark.parametrize("form", SAMPLES)
def test_a_secret_is_found_by_its_form(form: str) -> None:
    text = f"first\nsecond = {SAMPLES[form]}\n".encode()
    assert (2, form) in list(loaded().finds("module.py", text))


def test_a_file_of_secrets_is_found_by_its_name() -> None:
    finds = loaded().finds
    for name in ("keys/log.key", "openings.key", "deploy/.env", "tls.pem", "a/witness.key"):
        assert list(finds(name, b""))
    for name in ("ledger/keys.py", "docs/keys.md", "monkey"):
        assert not list(finds(name, b""))


def test_nothing_is_found_in_the_checkout(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "")
