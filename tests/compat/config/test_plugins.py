"""Plugins: scopes, configurations of bundled plugins, deprecated names (Kong's plugin schemas)."""

# One case is one row, however long.
# ruff: noqa: E501

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from dbless_gateway.config.checks import lookup
from dbless_gateway.config.schemas import load_schemas, schemas_folder
from tests.compat.config.cases import Rejected, accept, load_text, reject


def _plugin(name: str, config: str, extra: str = "") -> str:
    return f"plugins:\n- name: {name}\n  config: {config}\n{extra}"


REFUSED = [
    Rejected("schema/required", "required field missing", "plugins: [§{}]\n"),
    Rejected("schema/type", "expected a string", "plugins: [{name: §5}]\n"),
    Rejected("plugin/unknown", "plugin 'nope' not enabled; add it to the 'plugins' configuration property", "plugins: [{name: §nope}]\n"),
    Rejected("plugin/unknown", "plugin '../x' not enabled", "plugins: [{name: §../x}]\n"),
    Rejected("schema/type", "expected a boolean", "plugins: [{name: cors, enabled: §x}]\n"),
    Rejected("schema/type", "expected a record", "plugins: [{name: cors, config: §x}]\n"),
    Rejected("schema/format", "the only accepted ascii", "plugins: [{name: cors, instance_name: §a b}]\n"),
    Rejected("unique/value", "with instance_name set to 'i'", "plugins: [{name: cors, instance_name: i}, {name: prometheus, instance_name: §i}]\n"),
    Rejected("unique/id", "'plugins' entity with primary key set to", "plugins: [{name: cors}, §{name: cors}]\n"),
    Rejected("schema/enum", "expected one of: grpc, grpcs, http, https", "plugins: [{name: cors, protocols: [http, §tcp]}]\n"),
    Rejected("schema/enum", "expected one of: grpc, grpcs, http, https, tcp", "plugins: [{name: cors, protocols: [§x]}]\n"),
    Rejected("plugin/ordering", "`ordering` needs Kong Enterprise", "plugins: [{name: cors, §ordering: {before: {access: [x]}}}]\n"),
    Rejected("plugin/scope", "value must be null", "consumers: [{username: c}]\nplugins: [{name: key-auth, consumer: §c}]\n"),
    Rejected("plugin/scope", "value must be null", "consumers: [{username: c, plugins: [{name: §key-auth}]}]\n"),
    Rejected("plugin/scope", "value must be null", "services: [{name: s, host: h, plugins: [{name: §acme, config: {account_email: a@b.c}}]}]\n"),
    Rejected("reference/missing", "no such entry in 'services'", "plugins: [{name: cors, service: §s}]\n"),
    Rejected("reference/missing", "no such entry in 'routes'", "plugins: [{name: cors, route: §r}]\n"),
    Rejected("reference/missing", "no such entry in 'consumers'", "plugins: [{name: rate-limiting, consumer: §c, config: {minute: 1}}]\n"),
    Rejected("format/plugin-config", '_plugin_config "x" not found', "plugins: [{name: cors, _config: §x}]\n"),
    Rejected("schema/unknown-field", "unknown field", "plugins: [{name: cors, §conf: {}}]\n"),
    # acl
    Rejected("rule/exclusive", "exactly one of these fields must be non-empty: 'config.allow', 'config.deny'", _plugin("acl", "{allow: [a], §deny: [b]}")),
    Rejected("schema/type", "expected a string", _plugin("acl", "{allow: [§1]}")),
    Rejected("schema/unknown-field", "unknown field", _plugin("acl", "{allow: [a], §whitelist: [a]}")),
    # rate-limiting
    Rejected("rule/one-of", "'config.second', 'config.minute', 'config.hour', 'config.day', 'config.month', 'config.year'", "plugins:\n- name: rate-limiting\n  config: §{}\n"),
    Rejected("schema/type", "expected a number", _plugin("rate-limiting", "{minute: §'5'}")),
    Rejected("schema/range", "value must be greater than 0", _plugin("rate-limiting", "{minute: §0}")),
    Rejected("schema/enum", "expected one of: local, cluster, redis", _plugin("rate-limiting", "{minute: 5, policy: §memory}")),
    Rejected("schema/enum", "expected one of: local, redis", _plugin("rate-limiting", "{minute: 5, policy: §cluster}")),
    Rejected("schema/enum", "expected one of: consumer, credential, ip, service, header, path", _plugin("rate-limiting", "{minute: 5, limit_by: §x}")),
    Rejected("schema/required", "required field missing", _plugin("rate-limiting", "§{minute: 5, limit_by: header}")),
    Rejected("schema/required", "required field missing", _plugin("rate-limiting", "§{minute: 5, limit_by: path}")),
    Rejected("schema/required", "required field missing", _plugin("rate-limiting", "§{minute: 5, policy: redis}")),
    Rejected("plugin/config", "The limit for hour(10.0) cannot be lower than the limit for minute(20.0)", _plugin("rate-limiting", "{minute: 20, hour: §10}")),
    Rejected("plugin/config", "sync_rate can only be used with the redis policy", _plugin("rate-limiting", "{minute: 20, sync_rate: §1}")),
    Rejected("schema/pattern", "should start with: /", _plugin("rate-limiting", "{minute: 20, limit_by: path, path: §x}")),
    Rejected("schema/pattern", "must not have empty segments", _plugin("rate-limiting", "{minute: 20, limit_by: path, path: §/a//b}")),
    Rejected("schema/format", "bad header name", _plugin("rate-limiting", "{minute: 20, limit_by: header, header_name: §a b}")),
    Rejected("schema/format", "must not have a port", _plugin("rate-limiting", "{minute: 2, policy: redis, redis: {host: §'h:1'}}")),
    Rejected("schema/range", "value should be between 0 and 65535", _plugin("rate-limiting", "{minute: 2, redis: {port: §65536}}")),
    Rejected("schema/unknown-field", "unknown field", _plugin("rate-limiting", "{minute: 2, redis: {§hosts: a}}")),
    Rejected("plugin/mismatch", "both deprecated and new field are used but their values mismatch: redis_host = a vs redis.host = b", _plugin("rate-limiting", "{minute: 2, redis_host: §a, redis: {host: b}}")),
    Rejected("schema/type", "expected a string", _plugin("rate-limiting", "{minute: 2, redis_host: §5}")),
    Rejected("schema/required", "required field missing", _plugin("rate-limiting", "{minute: 2, fault_tolerant: §null}")),
    Rejected("schema/range", "value should be between 0 and 65535", _plugin("rate-limiting", "{minute: 2, redis_port: §70000}")),
    Rejected("schema/format", "must not have a port", _plugin("rate-limiting", "{minute: 2, redis_host: §'a:1'}")),
    Rejected("schema/format", "must not be an IP", _plugin("acme", "{account_email: a@b.c, storage_config: {redis: {ssl_server_name: §1.2.3.4}}}")),
    Rejected("schema/enum", "expected one of: Strict, Lax, None, Default", _plugin("session", "{cookie_samesite: §x}")),
    # proxy-cache
    Rejected("schema/required", "required field missing", _plugin("proxy-cache", "§{cache_ttl: 30}")),
    Rejected("schema/enum", "expected one of: memory", _plugin("proxy-cache", "{strategy: §redis}")),
    Rejected("schema/range", "value must be greater than 0", _plugin("proxy-cache", "{strategy: memory, cache_ttl: §0}")),
    Rejected("schema/enum", "expected one of: HEAD, GET", _plugin("proxy-cache", "{strategy: memory, request_method: [§FETCH]}")),
    Rejected("schema/range", "value should be between 100 and 900", _plugin("proxy-cache", "{strategy: memory, response_code: [§99]}")),
    # others
    Rejected("rule/one-of", "'config.allow', 'config.deny'", "plugins:\n- name: ip-restriction\n  config: §{}\n"),
    Rejected("schema/format", "invalid ip or cidr range: 'x'", _plugin("ip-restriction", "{allow: [§x]}")),
    Rejected("schema/range", "value should be between 100 and 599", _plugin("request-termination", "{status_code: §99}")),
    Rejected("plugin/config", "message cannot be used with content_type or body", _plugin("request-termination", "{message: §a, body: b}")),
    Rejected("plugin/config", "message cannot be used with content_type or body", _plugin("request-termination", "{message: §a, content_type: b}")),
    Rejected("plugin/config", "echo cannot be used with content_type and body", _plugin("request-termination", "{echo: §true, body: b}")),
    Rejected("schema/length", "length must be at least 1", _plugin("request-termination", "{message: §''}")),
    Rejected("schema/format", "bad header name", _plugin("request-termination", "{trigger: §a b}")),
    Rejected("schema/range", "value should be between 100 and 599", _plugin("request-termination", "{status_code: §600}")),
    Rejected("schema/format", "invalid ip or cidr range: '10.0.0.1/255.0.0.0'", _plugin("ip-restriction", "{deny: [§10.0.0.1/255.0.0.0]}")),
    Rejected("rule/one-of", "'config.allow', 'config.deny'", "plugins:\n- name: ip-restriction\n  config: §{allow: [], deny: []}\n"),
    Rejected("schema/format", "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'", _plugin("key-auth", "{key_names: [§a b]}")),
    Rejected("schema/range", "value must be greater than 0", _plugin("hmac-auth", "{clock_skew: §0}")),
    Rejected("schema/enum", "expected one of: hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512", _plugin("hmac-auth", "{algorithms: [§hmac-md5]}")),
    Rejected("schema/range", "value should be between 0 and 31536000", _plugin("jwt", "{maximum_expiration: §31536001, claims_to_verify: [exp]}")),
    Rejected("rule/conditional", "expected to contain: exp", _plugin("jwt", "{maximum_expiration: 5, claims_to_verify: §[]}")),
    Rejected("schema/regex", "not a valid regex: [", _plugin("bot-detection", "{allow: [§'[']}")),
    Rejected("schema/enum", "expected one of: GET, POST, DELETE", _plugin("session", "{logout_methods: [§PUT]}")),
    Rejected("schema/enum", "expected one of: cookie, kong", _plugin("session", "{storage: §redis}")),
    Rejected("schema/enum", "expected one of: id, audience, subject", _plugin("session", "{request_headers: [§name]}")),
    Rejected("plugin/config", "content_type requires a body", _plugin("request-termination", "{content_type: §a}")),
    Rejected("plugin/config", "at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'", _plugin("response-ratelimiting", "{limits: {a: §{}}}")),
    Rejected("schema/length", "length must be at least 1", _plugin("response-ratelimiting", "{limits: §{}}")),
    Rejected("plugin/config", "the limit for minute(20.0) cannot be lower than the limit for second(30.0)", _plugin("response-ratelimiting", "{limits: {a: {second: 30, minute: §20}}}")),
    Rejected("schema/enum", "expected one of: local, redis", _plugin("response-ratelimiting", "{limits: {a: {minute: 1}}, policy: §cluster}")),
    Rejected("schema/required", "required field missing", _plugin("response-ratelimiting", "§{limits: {a: {minute: 1}}, policy: redis}")),
    Rejected("schema/required", "required field missing", _plugin("request-size-limiting", "{size_unit: §null}")),
    Rejected("schema/required", "required field missing", _plugin("request-transformer", "{add: {body: §null}}")),
    Rejected("schema/unknown-field", "unknown field", _plugin("request-transformer", "{add: {§uri: /x}}")),
    Rejected("schema/format", "'b c' is not a valid header", _plugin("response-transformer", "{rename: {headers: [§'a:b c']}}")),
    Rejected("schema/enum", "expected one of: boolean, number, string", _plugin("response-transformer", "{add: {json: ['a:1'], json_types: [§integer]}}")),
    Rejected("schema/length", "length must be at least 1", _plugin("proxy-cache", "{strategy: memory, response_code: §[]}")),
    Rejected("schema/required", "required field missing", _plugin("correlation-id", "{generator: §null}")),
    Rejected("schema/format", "missing host in url", _plugin("redirect", "{location: §/path}")),
    Rejected("schema/format", "missing scheme in url", _plugin("redirect", "{location: §//h/path}")),
    Rejected("schema/required", "required field missing", _plugin("redirect", "§{status_code: 301}")),
    Rejected("schema/range", "value should be between 100 and 599", _plugin("redirect", "{location: 'http://h', status_code: §600}")),
    Rejected("schema/regex", "'(' is not a valid regex", _plugin("cors", "{origins: [§(]}")),
    Rejected("schema/enum", "expected one of: GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE, CONNECT", _plugin("cors", "{methods: [§get]}")),
    Rejected("plugin/scope", "value must be null", "consumers: [{username: c, plugins: [{name: §cors}]}]\n"),
    Rejected("schema/pattern", "invalid value: nocolon", _plugin("request-transformer", "{add: {headers: [§nocolon]}}")),
    Rejected("schema/format", "'a b' is not a valid header", _plugin("request-transformer", "{add: {headers: [§'a b:c']}}")),
    Rejected("schema/pattern", "invalid value: get", _plugin("request-transformer", "{http_method: §get}")),
    Rejected("schema/pattern", "invalid value: x", _plugin("response-transformer", "{add: {headers: [§x]}}")),
    Rejected("schema/required", "required field missing", _plugin("http-log", "§{timeout: 5}")),
    Rejected("schema/format", "missing host in url", _plugin("http-log", "{http_endpoint: §x}")),
    Rejected("schema/pattern", "cannot contain 'Host' header", _plugin("http-log", "{http_endpoint: 'http://a', headers: {§Host: x}}")),
    Rejected("plugin/config", "specifying both an 'Authorization' header and user info", _plugin("http-log", "{http_endpoint: 'http://u:p@a', headers: §{Authorization: x}}")),
    Rejected("schema/enum", "expected one of: POST, PUT, PATCH", _plugin("http-log", "{http_endpoint: 'http://a', method: §GET}")),
    Rejected("schema/regex", "'(' is not a valid regex", _plugin("cors", "{origins: [§'(']}")),
    Rejected("schema/enum", "expected one of: GET, HEAD, PUT", _plugin("cors", "{methods: [§FETCH]}")),
    Rejected("schema/regex", "not a valid regex: (", _plugin("bot-detection", "{deny: [§'(']}")),
    Rejected("schema/required", "required field missing", _plugin("file-log", "§{reopen: true}")),
    Rejected("schema/pattern", "not a valid filename", _plugin("file-log", "{path: §a*b}")),
    Rejected("schema/pattern", "not a valid filename", _plugin("file-log", "{path: §' /a'}")),
    Rejected("schema/pattern", "cannot contain 'Host' header", _plugin("http-log", "{http_endpoint: 'http://a', headers: {§hOST: x}}")),
    Rejected("schema/pattern", "cannot contain 'Content-Type' header", _plugin("http-log", "{http_endpoint: 'http://a', headers: {§Content-Type: x}}")),
    Rejected("schema/pattern", "cannot contain 'Content-Length' header", _plugin("http-log", "{http_endpoint: 'http://a', headers: {§content-length: x}}")),
    Rejected("schema/length", "length must be at least 1", _plugin("http-log", "{http_endpoint: 'http://a', headers: {X-A: §''}}")),
    Rejected("schema/format", "missing host in url", _plugin("http-log", "{http_endpoint: §x}")),
    Rejected("schema/enum", "expected one of: POST, PUT, PATCH", _plugin("http-log", "{http_endpoint: 'http://a', method: §GET}")),
    Rejected("schema/enum", "expected one of: application/json", _plugin("http-log", "{http_endpoint: 'http://a', content_type: §text/plain}")),
    Rejected("schema/format", "must not have a port", _plugin("tcp-log", "{host: §'a:1', port: 1}")),
    Rejected("schema/range", "value should be between 0 and 65535", _plugin("udp-log", "{host: a, port: §65536}")),
    Rejected("schema/enum", "expected one of: debug, info", _plugin("syslog", "{log_level: §error}")),
    Rejected("schema/enum", "expected one of: auth, authpriv", _plugin("syslog", "{facility: §local8}")),
    Rejected("schema/range", "value must be greater than 0", _plugin("statsd", "{metrics: [{name: latency, stat_type: gauge, sample_rate: §0}]}")),
    Rejected("schema/pattern", "invalid value: 2xx", _plugin("statsd", "{allow_status_codes: [§2xx]}")),
    Rejected("schema/range", "value should be between 0 and 65507", _plugin("statsd", "{udp_packet_size: §65508}")),
    Rejected("schema/enum", "expected one of: dogstatsd, influxdb, librato, signalfx", _plugin("statsd", "{tag_style: §x}")),
    Rejected("schema/range", "value should be between 0 and 1", _plugin("zipkin", "{sample_ratio: §2}")),
    Rejected("schema/enum", "expected one of: 8, 16", _plugin("zipkin", "{traceid_byte_count: §4}")),
    Rejected("schema/required", "required field missing", _plugin("zipkin", "{propagation: {default_format: §null}}")),
    Rejected("schema/enum", "expected one of: instana, w3c, b3, jaeger", _plugin("zipkin", "{propagation: {default_format: b3, extract: [§b3-single]}}")),
    Rejected("schema/length", "length must be at least 1", _plugin("opentelemetry", "{traces_endpoint: 'http://a', resource_attributes: {a: §''}}")),
    Rejected("schema/type", "expected a string", _plugin("opentelemetry", "{traces_endpoint: 'http://a', resource_attributes: {a: §5}}")),
    Rejected("schema/range", "value should be between 0 and 1", _plugin("opentelemetry", "{traces_endpoint: 'http://a', sampling_rate: §1.5}")),
    Rejected("schema/type", "expected a boolean", _plugin("prometheus", "{upstream_health_metrics: §5}")),
    Rejected("rule/conditional", "expected to contain: exp", _plugin("jwt", "{maximum_expiration: 5, claims_to_verify: §[nbf]}")),
    Rejected("schema/enum", "expected one of: exp, nbf", _plugin("jwt", "{claims_to_verify: [§iat]}")),
    Rejected("rule/together", "all or none of these fields must be set: 'config.aws_key', 'config.aws_secret'", _plugin("aws-lambda", "{function_name: f, §aws_key: a}")),
    Rejected("rule/one-of", "'config.certificate', 'config.rewrite'", "plugins:\n- name: pre-function\n  config: §{}\n"),
    Rejected("plugin/config", '"kong" storage can\'t be used with dbless mode', _plugin("acme", "{account_email: a@b.c, storage: §kong}")),
    Rejected("rule/conditional", "terms of service must be accepted", _plugin("acme", "{account_email: a@b.c, api_uri: 'https://acme-v02.api.letsencrypt.org', tos_accepted: §false}")),
    Rejected("schema/length", "length must be at least 1", _plugin("response-ratelimiting", "{limits: §{}}")),
    Rejected("plugin/config", "the limit for minute(20.0) cannot be lower than the limit for second(30.0)", _plugin("response-ratelimiting", "{limits: {a: {second: 30, minute: §20}}}")),
    Rejected("schema/range", "value must be greater than 0", _plugin("response-ratelimiting", "{limits: {a: {second: §0}}}")),
    Rejected("rule/one-of", "must be non-empty: 'traces_endpoint', 'logs_endpoint'", "plugins:\n- name: opentelemetry\n  config: §{}\n"),
    Rejected("rule/conditional", "'ldaps' and 'start_tls' cannot be enabled simultaneously", _plugin("ldap-auth", "{ldap_host: h, base_dn: d, attribute: a, ldaps: true, start_tls: §true}")),
    Rejected("schema/enum", "must not be one of: error, http.method", _plugin("zipkin", "{static_tags: [{name: §error, value: x}]}")),
    Rejected("schema/required", "required field missing", _plugin("statsd", "{metrics: [§{name: request_count, stat_type: counter}]}")),
    Rejected("schema/enum", "expected one of: llm/v1/chat", _plugin("ai-proxy", "{route_type: §x, model: {provider: openai}}")),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.message[:40])
def test_refused(case: Rejected) -> None:
    reject(case)


@pytest.mark.parametrize("config", ["{}", "{allow: []}", "{allow: null, deny: []}"])
def test_acl_without_groups_is_two_mistakes(config: str) -> None:
    problems = load_text(_plugin("acl", config)).problems
    fields = "of these fields must be non-empty: 'config.allow', 'config.deny'"
    assert {problem.message for problem in problems} == {f"at least one {fields}", f"exactly one {fields}"}


@pytest.mark.parametrize(
    "config",
    [
        "{maximum_expiration: 31536000}",
        "{maximum_expiration: 5, claims_to_verify: null}",
        "{maximum_expiration: 5, claims_to_verify: [nbf, exp]}",
        "{maximum_expiration: 0, claims_to_verify: []}",
    ],
)
def test_a_maximum_expiration_needs_no_list_of_claims(config: str) -> None:
    assert load_text(_plugin("jwt", config)).problems == []


# The least configuration that each plugin accepts.
MINIMAL = {
    "acl": "{allow: [a]}",
    "acme": "{account_email: a@b.c}",
    "ai-prompt-decorator": "{prompts: {prepend: [{role: system, content: x}]}}",
    "ai-prompt-guard": "{allow_patterns: [x]}",
    "ai-prompt-template": "{templates: [{name: a, template: b}]}",
    "ai-proxy": "{route_type: llm/v1/chat, model: {provider: openai}}",
    "ai-request-transformer": "{prompt: x, llm: {route_type: llm/v1/chat, model: {provider: openai}}}",
    "ai-response-transformer": "{prompt: x, llm: {route_type: llm/v1/chat, model: {provider: openai}}}",
    "azure-functions": "{appname: a, functionname: f}",
    "file-log": "{path: /tmp/x.log}",
    "http-log": "{http_endpoint: 'http://h/x'}",
    "ip-restriction": "{allow: [10.0.0.0/8]}",
    "ldap-auth": "{ldap_host: h, base_dn: d, attribute: a}",
    "loggly": "{key: k}",
    "opentelemetry": "{traces_endpoint: 'http://h/v1/traces'}",
    "post-function": "{access: ['return 1']}",
    "pre-function": "{access: ['return 1']}",
    "proxy-cache": "{strategy: memory}",
    "rate-limiting": "{minute: 5}",
    "redirect": "{location: 'https://h/'}",
    "response-ratelimiting": "{limits: {video: {minute: 5}}}",
    "standard-webhooks": "{secret_v1: c2VjcmV0}",
    "tcp-log": "{host: h, port: 1}",
    "udp-log": "{host: h, port: 1}",
}


@pytest.mark.parametrize("name", load_schemas().plugin_names())
def test_every_plugin_has_a_configuration_that_is_accepted(name: str) -> None:
    (plugin,) = accept(_plugin(name, MINIMAL.get(name, "{}"))).plugins
    schema = load_schemas().plugin(name)
    assert schema is not None
    assert set(plugin.protocols) == set(schema.default_protocols)


@pytest.mark.parametrize("name", load_schemas().plugin_names())
def test_every_plugin_refuses_an_unknown_field(name: str) -> None:
    loaded = load_text(_plugin(name, "{no_such_field: 1}"))
    assert "schema/unknown-field" in {problem.code for problem in loaded.problems}


def test_there_are_all_bundled_plugins() -> None:
    assert len(load_schemas().plugin_names()) == 45


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{minute: 1, redis_host: h}", {"host": "h"}),
        ("{minute: 1, redis_port: 1, redis: {port: 1}}", {"port": 1}),
        ("{minute: 1, redis_database: 3, redis: {host: h}}", {"host": "h", "database": 3}),
        ("{minute: 1, redis_password: ''}", {"password": ""}),
    ],
)
def test_deprecated_names_are_translated_with_a_warning(config: str, expected: dict[str, object]) -> None:
    loaded = load_text(_plugin("rate-limiting", config))
    assert [problem.code for problem in loaded.problems] == ["plugin/deprecated"]
    assert loaded.entities is not None
    redis = loaded.entities.plugins[0].config["redis"]
    assert redis | expected == redis
    assert not [name for name in loaded.entities.plugins[0].config if name.startswith("redis_")]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{cookie_idletime: null}", {"idling_timeout": 0}),
        ("{cookie_idletime: null, idling_timeout: 5}", {"idling_timeout": 5}),
        ("{cookie_lifetime: null}", {"rolling_timeout": 3600}),
        ("{cookie_samesite: 'off'}", {"cookie_same_site": "Lax"}),
        ("{cookie_renew: 5}", {"rolling_timeout": 3600}),
    ],
)
def test_old_names_of_session_whose_values_change(config: str, expected: dict[str, object]) -> None:
    loaded = load_text(_plugin("session", config))
    assert loaded.entities is not None
    taken = loaded.entities.plugins[0].config
    assert taken | expected == taken
    assert not {"cookie_idletime", "cookie_lifetime", "cookie_samesite", "cookie_renew"} & taken.keys()


# Values that fit where the sample of a type does not.
FITTING = {
    "cookie_samesite": "Lax",
    "cookie_persistent": True,
    "whitelist": ["10.0.0.1"],
    "blacklist": ["10.0.0.1"],
    "endpoint": "http://h/x",
}


def deprecated_fields() -> Iterator[tuple[str, str, list[str], object]]:
    """Yield every deprecated name at the top of a plugin's configuration, where it moves, and a value for it."""
    samples = {"integer": 7, "number": 7, "boolean": True, "string": "x", "array": ["x"]}
    for path in sorted((schemas_folder() / "plugins").glob("*.json")):
        for name, field in json.loads(path.read_text())["properties"].items():
            if "x-kong-alias-of" in field:
                kind = next(kind for kind in field["type"] if kind != "null")
                value = field["enum"][0] if "enum" in field else FITTING.get(name, samples.get(kind))
                yield path.stem, name, field["x-kong-alias-of"], value


@pytest.mark.parametrize(("plugin", "name", "targets", "value"), [
    pytest.param(*row, id=f"{row[0]}.{row[1]}") for row in deprecated_fields() if row[3] is not None
])  # fmt: skip
def test_every_deprecated_name_moves_its_value(
    plugin: str, name: str, targets: list[str], value: object
) -> None:
    config = yaml.safe_load(MINIMAL.get(plugin, "{}")) | {name: value}
    for target in targets:
        config.pop(target, None)
    loaded = load_text(_plugin(plugin, json.dumps(config)))
    assert [(problem.code, problem.severity) for problem in loaded.problems] == [
        ("plugin/deprecated", "warning")
    ]
    assert loaded.entities is not None
    taken = loaded.entities.plugins[0].config
    assert name not in taken
    for target in targets:
        moved = lookup(taken, target)
        assert moved == value, (target, moved)


@pytest.mark.parametrize(("value", "warnings"), [("1", []), ("2", ["plugin/deprecated"]), ("null", [])])
def test_fields_on_their_way_out_warn_unless_they_change_nothing(value: str, warnings: list[str]) -> None:
    loaded = load_text(_plugin("datadog", f"{{queue_size: {value}}}"))
    assert [problem.code for problem in loaded.problems] == warnings
    assert loaded.entities is not None
    assert "queue_size" in loaded.entities.plugins[0].config


def test_names_inside_records_are_translated_too() -> None:
    config = (
        "{account_email: a@b.c, storage: redis, storage_config: {redis: {host: h, auth: x, namespace: n}}}"
    )
    loaded = load_text(_plugin("acme", config))
    assert loaded.entities is not None
    redis = loaded.entities.plugins[0].config["storage_config"]["redis"]
    assert redis["password"] == "x"
    assert redis["extra_options"]["namespace"] == "n"


@pytest.mark.parametrize(
    ("plugin", "field", "expected"),
    [
        ("{name: acl, config: {whitelist: [a]}}", "allow", ["a"]),
        ("{name: ip-restriction, config: {blacklist: [1.2.3.4]}}", "deny", ["1.2.3.4"]),
        ("{name: pre-function, config: {functions: ['return 1']}}", "access", ["return 1"]),
        (
            "{name: http-log, config: {http_endpoint: 'http://h', headers: {a: [b, c]}}}",
            "headers",
            {"a": "b, c"},
        ),
    ],
)
def test_names_of_2x_are_read_in_old_formats(plugin: str, field: str, expected: object) -> None:
    loaded = load_text(f'_format_version: "2.1"\nplugins: [{plugin}]\n')
    assert [problem.code for problem in loaded.problems] == ["plugin/deprecated"]
    assert loaded.entities is not None
    assert loaded.entities.plugins[0].config[field] == expected


def test_a_name_of_2x_in_a_new_file_tells_its_new_name() -> None:
    loaded = load_text(_plugin("acl", "{whitelist: [a]}"))
    (problem,) = [problem for problem in loaded.problems if problem.code == "schema/unknown-field"]
    assert problem.suggestion is not None
    assert "`allow`" in problem.suggestion


def test_mismatching_secrets_are_not_shown() -> None:
    redis = "{host: h, auth: one-secret, password: other-secret}"
    loaded = load_text(
        _plugin("acme", f"{{account_email: a@b.c, storage: redis, storage_config: {{redis: {redis}}}}}")
    )
    assert "plugin/mismatch" in {problem.code for problem in loaded.problems}
    assert "-secret" not in repr(loaded.problems)


def test_null_means_no_value_in_a_plugin_configuration() -> None:
    (plugin,) = accept(_plugin("datadog", "{service_name_tag: null}")).plugins
    assert plugin.config["service_name_tag"] is None


@pytest.mark.parametrize("secret", ["'{vault://env/my-secret}'", "'{vault://env/pg/password}'"])
def test_vault_references_stand_for_any_value(secret: str) -> None:
    config = f"{{account_email: {secret}, eab_kid: {secret}}}"
    (plugin,) = accept(_plugin("acme", config)).plugins
    assert plugin.config["account_email"].startswith("{vault://")


def test_an_unquoted_reference_is_explained() -> None:
    problem = reject(
        Rejected("schema/type", "expected a string", _plugin("loggly", "\n    key: §{vault://env/x}"))
    )
    assert problem.suggestion is not None
    assert problem.suggestion.startswith("quote it")


def test_a_wrong_name_suggests_the_right_one() -> None:
    problem = reject(Rejected("plugin/unknown", "not enabled", "plugins: [{name: §rate-limitting}]\n"))
    assert problem.suggestion == "did you mean `rate-limiting`?"
