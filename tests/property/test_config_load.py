"""Laws of the config line: nothing raises, both validators agree, what is exported loads to the same entities."""

# One row is one row, however long.
# ruff: noqa: E501

from __future__ import annotations

import json
import random
import re
import string
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbless_gateway.config.document import plain
from dbless_gateway.config.entities import Entities, Where
from dbless_gateway.config.export import export
from dbless_gateway.config.json_positions import read_json
from dbless_gateway.config.load import Loaded, LoadOptions, load
from dbless_gateway.config.positions import read_yaml
from dbless_gateway.config.slices import Assembler, to_slices
from dbless_gateway.config.source import Source
from dbless_gateway.snapshot.certificates import TlsPolicy
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot
from dbless_gateway.snapshot.dry_run import DryRunHost

NOW = 1_700_000_000.25

SEED = """
_format_version: "3.0"
_info: {select_tags: [t], defaults: {service: {retries: 3}}}
_plugin_configs: {limits: {minute: 5, policy: local}}
services:
- name: a
  url: https://h.example:8443/x
  tags: [a, b]
  routes:
  - name: r
    paths: [/a, '~/b/(?<id>\\d+)$']
    headers: {x-v: ['~*^1'], y: [a, b]}
    plugins: [{name: cors}, {name: rate-limiting, _config: limits}]
- &base {name: b, host: u}
- {<<: *base, name: c, protocol: grpc}
routes:
- {name: g, protocols: [grpc], hosts: ['*.x'], service: c}
- {protocols: [tcp], sources: [{ip: 10.0.0.0/8, port: 1}]}
- {paths: [/unnamed], methods: [GET]}
consumers:
- username: c
  custom_id: '5'
  keyauth_credentials: [{key: k, ttl: 5}]
  basicauth_credentials: [{username: u, password: p}]
  acls: [{group: g}]
  jwt_secrets: [{key: j, secret: s}]
  groups: [{name: gold}]
consumer_groups: [{name: gold, plugins: [{name: rate-limiting, config: {minute: 3}}]}]
upstreams:
- name: u
  hash_on: header
  hash_on_header: x
  healthchecks: {active: {healthy: {interval: 5}, headers: {a: [b]}}}
  targets: [{target: 'h:1', weight: 5}, {target: '::1'}]
plugins:
- {name: key-auth, service: a, instance_name: i}
- {name: rate-limiting, service: a, consumer: c, config: {minute: 5, redis_host: r}}
- {name: response-ratelimiting, config: {limits: {video: {minute: 5}}}}
- {name: datadog, config: {service_name_tag: null}}
vaults: [{name: env, prefix: my-env, config: {prefix: X_}}]
key_sets: [{name: ks, keys: [{kid: '1', jwk: '{vault://env/x}'}]}]
certificates: [{cert: '{vault://env/c}', key: '{vault://env/k}', snis: [{name: a.b}]}]
"""


def _load(text: str | bytes, *, fast: bool = True) -> Loaded:
    options = LoadOptions(environ={"DECK_X": "1"}, expand_env=True, now=NOW, fast_validation=fast)
    return load([Source("kong.yaml", text)], options)


def _entities(text: str) -> Entities:
    loaded = _load(text)
    assert loaded.entities is not None, [problem.headline() for problem in loaded.problems]
    return loaded.entities


def _placeless(entities: Entities) -> dict[str, list[str]]:
    """Return the entities without their places, in an order of their own."""
    nowhere = Where("", 0, 0)
    out: dict[str, list[str]] = {}
    for name in Entities.__match_args__:
        value = getattr(entities, name)
        if isinstance(value, tuple) and name not in {"group_members", "secrets"}:
            out[name] = sorted(repr(replace(item, where=nowhere)) for item in value)
    out["group_members"] = sorted(map(str, entities.group_members))
    out["secrets"] = sorted(map(str, entities.secrets))
    return out


def test_exported_entities_load_to_themselves() -> None:
    entities = _entities(SEED)
    for nested in (True, False):
        again = _entities(json.dumps(export(entities, nested=nested)))
        assert _placeless(again) == _placeless(entities)


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=7))
def test_slices_put_together_are_the_whole(per_slice: int) -> None:
    entities = _entities(SEED)
    assembler = Assembler()
    for piece in to_slices(entities, per_slice):
        assembler.add(piece)
    assert assembler.entities() == entities


TOKENS = [
    "null", "true", "on", "5", "-1", "1.5", "70000", "''", "[]", "{}", "[1]", "{a: b}", "'*.*'", "/a//b", "&x", "*x",
    "<<: *base", "!!int x", "!t", "|", "- ", ": ", "\t", "\0", "\ud800", "\u2028", "é", "${X}", "${{ env \"DECK_X\" }}",
    "{{", "'", '"', "#", "---", "...", "%", "@", ".nan", ".inf", "1e999", "9" * 40, "'{vault://env/x}'", "0x", "1:99",
]  # fmt: skip


def _mutated(seed: int) -> str:
    """Return the seed file with a few random injuries."""
    source = random.Random(seed)
    text = SEED
    for _ in range(source.randint(1, 4)):
        start = source.randrange(len(text))
        end = min(len(text), start + source.choice([0, 1, 2, 5, 20]))
        new = source.choice([*TOKENS, "", text[start:end] * 2, source.choice(string.printable)])
        text = text[:start] + new + text[end:]
    return text


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(min_value=0))
def test_no_injured_file_raises(seed: int) -> None:
    loaded = _load(_mutated(seed))
    failed = any(problem.severity == "error" for problem in loaded.problems)
    assert failed == (loaded.entities is None)
    for problem in loaded.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert (problem.end_line, problem.end_column) >= (problem.line, problem.column)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.binary()))
def test_no_text_raises(text: str | bytes) -> None:
    _load(text)


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(10**20), max_value=10**20),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["h", "/a", "http", "{vault://env/x}", "7a267194-6123-5ee0-a1c9-4c1559eb0d95", "~/(", "a:1"]
    ),
)


def _values(depth: int) -> st.SearchStrategy[Any]:
    if not depth:
        return SCALARS
    inner = _values(depth - 1)
    keys = st.one_of(st.text(max_size=3), st.sampled_from(FIELDS))
    return st.one_of(SCALARS, st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3))


FIELDS = [
    "id", "name", "host", "port", "paths", "hosts", "headers", "protocols", "config", "service", "tags", "plugins",
    "routes", "targets", "target", "username", "key", "url", "snis", "cert", "jwk", "kid", "prefix", "redis", "minute",
    "healthchecks", "active", "sources", "groups", "_comment", "_config", "consumer", "created_at", "weight", "pem",
]  # fmt: skip
COLLECTIONS = [
    "services", "routes", "consumers", "plugins", "upstreams", "targets", "certificates", "snis", "vaults", "keys",
    "key_sets", "acls", "jwt_secrets", "consumer_groups", "_info", "_plugin_configs", "ca_certificates",
]  # fmt: skip
ENTITY = st.dictionaries(st.sampled_from(FIELDS), _values(2), max_size=6)
PLUGIN_NAMES = [
    "rate-limiting",
    "acme",
    "cors",
    "proxy-cache",
    "http-log",
    "ai-proxy",
    "response-ratelimiting",
]
PLUGIN = st.fixed_dictionaries({"name": st.sampled_from(PLUGIN_NAMES), "config": ENTITY})
DOCUMENTS = st.dictionaries(
    st.sampled_from(COLLECTIONS),
    st.one_of(st.lists(st.one_of(ENTITY, PLUGIN), max_size=4), _values(1)),
    max_size=4,
)


def _verdicts(loaded: Loaded) -> list[tuple[str, str, str]]:
    return [(problem.code, problem.path, problem.message) for problem in loaded.problems]


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS)
def test_no_document_raises_and_both_validators_agree(document: dict[str, Any]) -> None:
    text = json.dumps(document | {"_format_version": "3.0"}, default=str)
    loaded = _load(text)
    assert _verdicts(loaded) == _verdicts(_load(text, fast=False))
    if loaded.sound is not None:
        compile_snapshot(loaded.sound, DryRunHost(), CompileOptions(tls=TlsPolicy()))


# ``1e3`` is a number to Kong and text to PyYAML, which therefore writes it without quotes.
EXPONENT = re.compile(r"[-+]?[0-9_.]+[eE][-+]?[0-9]+")
TEXTS = st.text(alphabet=string.printable, max_size=6).filter(lambda text: not EXPONENT.fullmatch(text))
FINITE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(string.ascii_letters, max_size=4), inner)),
    max_leaves=15,
)  # fmt: skip


@pytest.mark.slow
@settings(deadline=None)
@given(FINITE)
def test_data_is_read_as_it_was_written(data: Any) -> None:
    document, faults = read_json(json.dumps(data, indent=1), "x")
    assert (plain(document.data), faults) == (data, [])
    document, faults = read_yaml(yaml.safe_dump(data, width=1000), "x")
    assert (plain(document.data), faults) == (data, [])


@pytest.mark.slow
@settings(deadline=None)
@given(FINITE)
def test_positions_of_json_and_yaml_agree(data: Any) -> None:
    text = json.dumps(data, indent=1, ensure_ascii=True)
    one, _ = read_json(text, "x")
    two, _ = read_yaml(text, "x")
    assert list(one.starts) == list(two.starts)
    assert list(one.ends) == list(two.ends)
    assert list(one.nexts) == list(two.nexts)
