"""The process that explains for a running gateway."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.slices import to_slices
from dbless_gateway.config.source import Source
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.live import MODULE, LiveQuestion, answer

TEXT = """_format_version: "3.0"
routes: [{name: a, paths: [/a/], headers: {x-a: ["1"]}}, {name: b, paths: [/b/]}]
"""


@pytest.fixture(scope="module")
def entities() -> Entities:
    loaded = load([Source("kong.yaml", TEXT)], LoadOptions(environ={}))
    assert loaded.entities is not None
    return loaded.entities


def test_an_answer(entities: Entities) -> None:
    query = {"url": "/a/", "headers": "x-a: 1\nx-b: 2", "client_ip": "192.0.2.1", "all": "true"}

    status, told = answer(entities, ProxyOptions(), query)

    assert status == 200
    assert told["winner"]["route"]["name"] == "a"
    assert told["request"]["client_ip"] == "192.0.2.1"
    assert [miss["route"]["name"] for miss in told["misses"]] == ["b"]


@pytest.mark.parametrize("query", [{}, {"url": "x"}, {"url": "/", "method": "G T"}])
def test_what_cannot_be_asked(entities: Entities, query: dict[str, str]) -> None:
    status, told = answer(entities, ProxyOptions(), query)

    assert status == 400
    assert told["message"]


def test_what_does_not_compile_is_told(entities: Entities) -> None:
    broken = replace(entities, routes=(replace(entities.routes[0], paths=("~(",)),))

    assert answer(broken, ProxyOptions(), {"url": "/"})[0] == 500


@pytest.mark.slow
def test_the_process(entities: Entities) -> None:
    question = LiveQuestion(tuple(to_slices(entities)), ProxyOptions(), {"url": "/b/"})

    ran = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=pickle.dumps(question),
        capture_output=True,
        check=True,
        timeout=30,
    )

    status, told = json.loads(ran.stdout)
    assert (status, told["winner"]["route"]["name"]) == (200, "b")
