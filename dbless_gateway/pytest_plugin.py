"""The pytest plugin: a fixture ``gateway``, in which a configuration can be tried without a network.

    def test_users_need_a_key(gateway):
        assert gateway.get("http://api.example.com/users").status == 401

The configuration is named by ``--gateway-config FILE`` (may be repeated) or by ``gateway_config`` in pytest's
own configuration; a test that wants another one calls ``gateway_for(FILE)``. Each test begins with nothing
counted and nothing cached. What a configuration costs to compile is paid once per session. Settings are read
from the environment, as ``start`` does.

pytest imports this file in every project where the package is installed, so it imports nothing up front.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dbless_gateway.rehearsal.trial import Trial

_OPTION = "gateway_config"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where the configuration is."""
    text = "configuration file or folder for the fixture gateway; several are merged"
    group = parser.getgroup("dbless-gateway")
    group.addoption("--gateway-config", action="append", default=[], metavar="FILE", dest=_OPTION, help=text)
    parser.addini(_OPTION, text, type="paths", default=[])


@pytest.fixture(scope="session")
def _gateways() -> Iterator[Callable[..., Trial]]:
    """Open each configuration once."""
    opened: dict[tuple[str, ...], Trial] = {}

    def find(*files: str) -> Trial:
        if files not in opened:
            opened[files] = _open(files)
        return opened[files]

    yield find
    for trial in opened.values():
        trial.close()


@pytest.fixture
def gateway_for(_gateways: Callable[..., Trial]) -> Callable[..., Trial]:
    """Return a function that opens configurations: ``gateway_for("kong.yaml")``."""

    def find(*files: str | os.PathLike[str]) -> Trial:
        trial = _gateways(*map(str, files))
        trial.forget()
        return trial

    return find


@pytest.fixture
def gateway(gateway_for: Callable[..., Trial], request: pytest.FixtureRequest) -> Trial:
    """Return the configuration that pytest's options name, ready to be tried."""
    config = request.config
    files: list[Any] = config.getoption(_OPTION) or config.getini(_OPTION)
    if not files:
        pytest.fail("the fixture gateway needs --gateway-config, or gateway_config in pytest's configuration")
    return gateway_for(*(Path(file) for file in files))


def _open(files: tuple[str, ...]) -> Trial:
    from dbless_gateway.rehearsal.trial import open_trial
    from dbless_gateway.server.options import make_settings

    result = make_settings({}, files, os.environ)
    if result.settings is None:
        pytest.fail("; ".join(result.errors))
    return open_trial(files, dict(os.environ), result.settings.proxy, result.settings.plugins)
