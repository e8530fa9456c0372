"""Certificates at their end: the gateway serves them and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.config import document
from tests.support.gateway import Gateway

pytestmark = pytest.mark.slow


def test_the_log_warns_at_each_load(tmp_path: Path) -> None:
    cert, key = Authority().issue("old.test", days=-1)
    file = tmp_path / "kong.yaml"
    file.write_text(document(certificates=[{"cert": cert, "key": key, "snis": [{"name": "old.test"}]}]))
    with Gateway(file) as gateway:
        gateway.log.wait_for(r"\[warn\].*lint/certificate-expires.*the certificate expired on")
