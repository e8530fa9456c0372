"""The line as a whole: what it imports, what it returns, what it does not depend on."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from dbless_gateway.config.document import Map, Seq
from dbless_gateway.config.load import Loaded, LoadOptions, load
from dbless_gateway.config.source import Source
from tests.compat.config.cases import accept, load_text

HEAVY = ("uvloop", "httptools", "watchfiles", "jsonschema", "cryptography", "asyncio", "re2", "dns")


def test_a_good_file_needs_none_of_the_heavy_modules(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text('_format_version: "3.0"\nservices: [{name: a, host: h, routes: [{paths: [/]}]}]\n')
    program = (
        "import sys\n"
        "from dbless_gateway.config.load import load\n"
        "from dbless_gateway.config.source import Source\n"
        f"assert load([Source({str(file)!r})]).entities\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_collector_is_as_it_was() -> None:
    assert gc.isenabled()
    load_text("services: []")
    assert gc.isenabled()
    gc.disable()
    try:
        load_text("services: []")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_no_source_is_an_empty_configuration() -> None:
    loaded = load([], LoadOptions(environ={}))
    assert loaded.entities is not None
    assert loaded.entities.services == ()


def test_loading_twice_gives_equal_entities() -> None:
    text = "services: [{host: h, routes: [{paths: [/]}]}]\nplugins: [{name: cors}]"
    assert accept(text) == accept(text)


def test_entities_hold_plain_data_only() -> None:
    text = """
plugins:
- {name: file-log, config: {path: /x, custom_fields_by_lua: {a: 'return 1'}}}
- {name: request-transformer, config: {add: {headers: ['a:b']}}}
routes: [{headers: {x: [a]}, sources: null}]
consumers: [{username: a, oauth2_credentials: [{name: n, redirect_uris: ['http://h/']}]}]
keys: [{kid: a, pem: {public_key: '{vault://env/x}'}}]
"""

    def walk(value: object) -> None:
        assert not isinstance(value, (Map, Seq))
        if isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                walk(item)

    entities = accept(text)
    for name in entities.__match_args__:
        for item in getattr(entities, name) if isinstance(getattr(entities, name), tuple) else ():
            for field in getattr(item, "__match_args__", ()):
                walk(getattr(item, field))


def test_times() -> None:
    entities = accept(
        "services: [{host: h, created_at: 5, updated_at: 6}]\nupstreams: [{name: u, targets: [{target: a}]}]"
    )
    assert (entities.services[0].created_at, entities.services[0].updated_at) == (5, 1_700_000_000)
    assert entities.targets[0].created_at == 1_700_000_000.5


def test_texts_are_there_for_who_shows_source_lines() -> None:
    loaded = load_text("services: [x]")
    assert loaded.texts["kong.yaml"].endswith("services: [x]")


@pytest.mark.parametrize("kind", [str, bytes])
def test_a_text_may_be_bytes(kind: type) -> None:
    text = '_format_version: "3.0"\n'
    loaded: Loaded = load([Source("x", text if kind is str else text.encode())])
    assert loaded.entities is not None
