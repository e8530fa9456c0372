"""Services and routes: what Kong's entity schemas accept and refuse."""

# One case is one row, however long.
# ruff: noqa: E501

from __future__ import annotations

import pytest

from tests.compat.config.cases import Rejected, accept, reject


def _service(body: str, *, host: str = "host: h") -> str:
    return f"services:\n- name: s\n  {host}\n  {body}\n"


def _route(body: str) -> str:
    return f"routes:\n- §name: r\n  {body}\n" if "§" not in body else f"routes:\n- name: r\n  {body}\n"


SERVICES = [
    Rejected("schema/required", "required field missing", "services:\n- §name: s\n"),
    Rejected("schema/required", "required field missing", "services:\n- name: s\n  host: §null\n"),
    Rejected("schema/required", "required field missing", "services:\n- name: s\n  host: §~\n"),
    Rejected("schema/type", "expected a string", "services:\n- name: s\n  host: §8\n"),
    Rejected("schema/type", "expected a string", "services:\n- name: s\n  host: §on\n"),
    Rejected("schema/type", "expected a string", "services:\n- name: s\n  host: §[a]\n"),
    Rejected("schema/length", "length must be at least 1", "services:\n- name: s\n  host: §''\n"),
    Rejected("schema/format", "must not have a port", "services:\n- name: s\n  host: §a.b:80\n"),
    Rejected("schema/format", "invalid value: a b", "services:\n- name: s\n  host: §a b\n"),
    Rejected("schema/format", "invalid value: a..b", "services:\n- name: s\n  host: §a..b\n"),
    Rejected("schema/format", "invalid value: a-.b", "services:\n- name: s\n  host: §a-.b\n"),
    Rejected("schema/format", "invalid value: 1.2.3.400", "services:\n- name: s\n  host: §1.2.3.400\n"),
    Rejected("schema/type", "expected a string", "services:\n- name: §12\n  host: h\n"),
    Rejected("schema/length", "length must be at least 1", "services:\n- name: §''\n  host: h\n"),
    Rejected("schema/format", "the only accepted ascii", "services:\n- name: §a b\n  host: h\n"),
    Rejected("schema/format", "the only accepted ascii", "services:\n- name: §a/b\n  host: h\n"),
    Rejected("schema/format", "expected a valid UUID", _service("id: §abc")),
    Rejected("schema/type", "expected a string", _service("id: §12")),
    Rejected(
        "schema/enum", "expected one of: grpc, grpcs, http, https, tcp, tls", _service("protocol: §htp")
    ),
    Rejected("schema/type", "expected a string", _service("protocol: §1")),
    Rejected("schema/required", "required field missing", _service("protocol: §null")),
    Rejected("schema/range", "value should be between 0 and 65535", _service("port: §65536")),
    Rejected("schema/range", "value should be between 0 and 65535", _service("port: §-1")),
    Rejected("schema/type", "expected an integer", _service("port: §'80'")),
    Rejected("schema/type", "expected an integer", _service("port: §80.5")),
    Rejected("schema/type", "expected an integer", _service("port: §true")),
    Rejected("schema/required", "required field missing", _service("port: §null")),
    Rejected("schema/format", "should start with: /", _service("path: §a")),
    Rejected("schema/format", "must not have empty segments", _service("path: §/a//b")),
    Rejected("schema/format", "characters outside of the reserved list", _service("path: §/a b")),
    Rejected("schema/format", "invalid url-encoded value: '%2'", _service("path: §/a%2")),
    Rejected("schema/format", "invalid url-encoded value: '%zz'", _service("path: §/a%zz/b")),
    Rejected("schema/length", "length must be at least 1", _service('path: §""')),
    Rejected("schema/range", "value should be between 0 and 32767", _service("retries: §32768")),
    Rejected("schema/range", "value should be between 0 and 32767", _service("retries: §-1")),
    Rejected("schema/type", "expected an integer", _service("retries: §x")),
    Rejected("schema/range", "value should be between 1 and 2147483646", _service("connect_timeout: §0")),
    Rejected(
        "schema/range", "value should be between 1 and 2147483646", _service("read_timeout: §2147483647")
    ),
    Rejected("schema/range", "value should be between 1 and 2147483646", _service("write_timeout: §-5")),
    Rejected("schema/type", "expected an integer", _service("write_timeout: §10s")),
    Rejected("schema/type", "expected a boolean", _service("enabled: §1")),
    Rejected("schema/type", "expected a boolean", _service("enabled: §'true'")),
    Rejected("schema/required", "required field missing", _service("enabled: §null")),
    Rejected("schema/type", "expected a boolean", _service("protocol: https\n  tls_verify: §5")),
    Rejected(
        "schema/range",
        "value should be between 0 and 64",
        _service("protocol: https\n  tls_verify_depth: §65"),
    ),
    Rejected("schema/type", "expected an array", _service("protocol: https\n  ca_certificates: §x")),
    Rejected("schema/format", "expected a valid UUID", _service("protocol: https\n  ca_certificates: [§x]")),
    Rejected("rule/conditional", "value must be null", _service("tls_verify: §true")),
    Rejected("rule/conditional", "value must be null", _service("tls_verify_depth: §1")),
    Rejected("rule/conditional", "value must be null", _service("protocol: grpcs\n  tls_verify: §false")),
    Rejected("rule/conditional", "value must be null", _service("protocol: tcp\n  path: §/a")),
    Rejected("rule/conditional", "value must be null", _service("protocol: grpc\n  path: §/a")),
    Rejected("schema/type", "expected a set", _service("tags: §a")),
    Rejected("schema/type", "expected a string", _service("tags: [a, §1]")),
    Rejected("schema/format", "invalid tag 'a,b'", _service("tags: [§'a,b']")),
    Rejected("schema/format", "invalid tag 'a/b'", _service("tags: [ok, §a/b]")),
    Rejected("schema/length", "length must be at least 1", _service("tags: [§'']")),
    Rejected("schema/required", "required field missing", _service("tags: [§null]")),
    Rejected("schema/range", "value must be greater than 0", _service("created_at: §0")),
    Rejected("schema/type", "expected an integer", _service("created_at: §1.5")),
    Rejected("schema/unknown-field", "unknown field", _service("§read_timout: 5")),
    Rejected("schema/unknown-field", "unknown field", _service("§hosts: [a]")),
    Rejected("schema/unknown-field", "unknown field", _service("§ws_id: x")),
    Rejected("schema/format", "missing host in url", "services:\n- name: s\n  url: §http://\n"),
    Rejected("schema/format", "missing host in url", "services:\n- name: s\n  url: §http://h:port/\n"),
    Rejected("schema/format", "expected one of: grpc", "services:\n- name: s\n  url: §ftp://h/\n"),
    Rejected("schema/format", "invalid value: a%b", "services:\n- name: s\n  url: §http://a%b/\n"),
    Rejected("schema/format", "must not have empty segments", "services:\n- name: s\n  url: §http://a//b\n"),
    Rejected("schema/type", "expected a string", "services:\n- name: s\n  url: §5\n"),
    Rejected("schema/type", "expected a record", "services: [§x]\n"),
    Rejected("schema/required", "required field missing", "services: [§null]\n"),
    Rejected("schema/type", "expected an array", "services: §x\n"),
    Rejected("schema/type", "expected an array", "services: §{a: b}\n"),
    Rejected("schema/type", "expected an array", _service("routes: §x")),
    Rejected("schema/type", "expected a record", _service("routes: [§x]")),
    Rejected(
        "reference/missing",
        "invalid reference 'client_certificate: c'",
        _service("protocol: https\n  client_certificate: §c"),
    ),
    Rejected(
        "rule/conditional", "value must be null", "services:\n- name: s\n  host: h\n  ca_certificates: §[]\n"
    ),
    Rejected(
        "unique/value",
        "'services' entity with name set to 's' already declared",
        _service("") + "- name: §s\n  host: x\n",
    ),
    Rejected(
        "unique/id",
        "with primary key set to '7a267194-6123-5ee0-a1c9-4c1559eb0d95' already declared",
        "services:\n- id: 7a267194-6123-5ee0-a1c9-4c1559eb0d95\n  host: a\n- id: §7A267194-6123-5EE0-A1C9-4C1559EB0D95\n  host: b\n",
    ),
]

ROUTES = [
    Rejected("route/matching", "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'", "routes:\n- §name: r\n"),
    Rejected("route/matching", "'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'", _route("protocols: [http]")),
    Rejected("route/matching", "'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'grpcs'", _route("protocols: [grpcs]")),
    Rejected("route/matching", "'hosts', 'headers', 'paths' when 'protocols' is 'grpc'", _route("protocols: [grpc]")),
    Rejected("route/matching", "'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'", _route("protocols: [tcp]")),
    Rejected("route/matching", "must set snis when 'protocols' is 'tls_passthrough'", _route("protocols: [tls_passthrough]")),
    Rejected("route/matching", "must set one of", _route("paths: []")),
    Rejected("route/matching", "must set one of", _route("hosts: {}")),
    Rejected("route/protocols", "these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')", _route("paths: [/]\n  protocols: §[http, tcp]")),
    Rejected("route/protocols", "('grpc', 'grpcs'), ('http', 'https')", _route("paths: [/]\n  protocols: §[grpc, https]")),
    Rejected("schema/enum", "expected one of: grpc", _route("paths: [/]\n  protocols: [http, §nope]")),
    Rejected("schema/length", "length must be at least 1", _route("paths: [/]\n  protocols: §[]")),
    Rejected("schema/type", "expected a set", _route("paths: [/]\n  protocols: §http")),
    Rejected("schema/required", "required field missing", _route("paths: [/]\n  protocols: §null")),
    Rejected("schema/pattern", "invalid value: get", _route("methods: [§get]")),
    Rejected("schema/pattern", "invalid value: A B", _route("methods: [GET, §A B]")),
    Rejected("schema/type", "expected a set", _route("methods: §GET")),
    Rejected("schema/type", "expected an array", _route("hosts: §a.b")),
    Rejected("schema/type", "expected a string", _route("hosts: [§1]")),
    Rejected("schema/format", "must have at most one wildcard", _route("hosts: [§'*.a.*']")),
    Rejected("schema/format", "must be placed at leftmost or rightmost label", _route("hosts: [§a.*.b]")),
    Rejected("schema/format", "must be placed at leftmost or rightmost label", _route("hosts: [§'*a.b']")),
    Rejected("schema/format", "must be placed at leftmost or rightmost label", _route("hosts: [§'a.*:80']")),
    Rejected("schema/format", "invalid port number", _route("hosts: [§'*.a.b:99999']")),
    Rejected("schema/format", "invalid hostname: a b", _route("hosts: [§a b]")),
    Rejected("schema/format", "invalid hostname: a.b:x", _route("hosts: [§'a.b:x']")),
    Rejected("schema/type", "expected an array", _route("paths: §/a")),
    Rejected("schema/format", "should start with: / (fixed path) or ~/ (regex path)", _route("paths: [§a]")),
    Rejected("schema/format", "should start with: / (fixed path) or ~/ (regex path)", _route("paths: [/ok, §~a]")),
    Rejected("schema/format", "must not have empty segments", _route("paths: [§//a]")),
    Rejected("schema/format", "non-normalized path, consider use '/b' instead", _route("paths: [§/a/../b]")),
    Rejected("schema/format", "non-normalized path, consider use '/~a' instead", _route("paths: [§/%7ea]")),
    Rejected("schema/format", "characters outside of the reserved list", _route("paths: [§'/a?b']")),
    Rejected("schema/regex", "invalid regex: '/(a'", _route("paths: [§'~/(a']")),
    Rejected("schema/regex", "invalid regex: '/(?=a)b'", _route("paths: [/x, §'~/(?=a)b']")),
    Rejected("schema/regex", "invalid regex", _route(r"paths: [§'~/(a)\1']")),
    Rejected("schema/type", "expected a map", _route("paths: [/]\n  headers: §x")),
    Rejected("schema/type", "expected an array", _route("headers: {x: §y}")),
    Rejected("schema/format", "bad header name 'x y'", _route("headers: {§x y: [a]}")),
    Rejected("schema/format", "cannot contain 'host' header", _route("headers: {§Host: [a]}")),
    Rejected("schema/length", "length must be at least 1", _route("headers: {x: [§'']}")),
    Rejected("schema/type", "expected a string", _route("headers: {x: [a, §1]}")),
    Rejected("schema/type", "expected a set", _route("paths: [/]\n  snis: §x")),
    Rejected("schema/format", "only one wildcard must be specified", _route("snis: [§'*.a.*']")),
    Rejected("schema/format", "wildcard must be leftmost or rightmost", _route("snis: [§'a.*.b']")),
    Rejected("schema/format", "must not be an IP", _route("snis: [§1.2.3.4]")),
    Rejected("schema/format", "must not have a port", _route("snis: [§'a.b:1']")),
    Rejected("route/forbidden", "'snis' can only be set", _route("protocols: [http]\n  paths: [/]\n  §snis: [a.b]")),
    Rejected("route/forbidden", "cannot set 'sources' when 'protocols' is 'http' or 'https'", _route("paths: [/]\n  §sources: [{port: 1}]")),
    Rejected("route/forbidden", "cannot set 'destinations'", _route("paths: [/]\n  §destinations: [{port: 1}]")),
    Rejected("route/forbidden", "cannot set 'methods' when 'protocols' is 'grpc' or 'grpcs'", _route("protocols: [grpc]\n  paths: [/]\n  §methods: [GET]")),
    Rejected("route/forbidden", "cannot set 'strip_path'", _route("protocols: [grpc]\n  paths: [/]\n  strip_path: §true")),
    Rejected("route/forbidden", "cannot set 'paths' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'", _route("protocols: [tcp]\n  sources: [{port: 1}]\n  §paths: [/]")),
    Rejected("route/forbidden", "cannot set 'hosts'", _route("protocols: [tls]\n  snis: [a.b]\n  §hosts: [a]")),
    Rejected("route/forbidden", "cannot set 'headers'", _route("protocols: [udp]\n  sources: [{port: 1}]\n  §headers: {a: [b]}")),
    Rejected("schema/format", "invalid ip or cidr range: 'x'", _route("protocols: [tcp]\n  sources: [{ip: §x}]")),
    Rejected("schema/format", "invalid ip or cidr range: '1.2.3.4/33'", _route("protocols: [tcp]\n  sources: [{ip: §1.2.3.4/33}]")),
    Rejected("schema/range", "value should be between 0 and 65535", _route("protocols: [tcp]\n  destinations: [{port: §70000}]")),
    Rejected("rule/one-of", "at least one of these fields must be non-empty: 'ip', 'port'", _route("protocols: [tcp]\n  sources: [§{}]")),
    Rejected("rule/one-of", "at least one of these fields must be non-empty: 'ip', 'port'", _route("protocols: [tcp]\n  sources: [§[]]")),
    Rejected("schema/unknown-field", "unknown field", _route("protocols: [tcp]\n  sources: [{§host: a}]")),
    Rejected("schema/type", "expected an integer", _route("paths: [/]\n  regex_priority: §high")),
    Rejected("schema/type", "expected a boolean", _route("paths: [/]\n  strip_path: §0")),
    Rejected("schema/type", "expected a boolean", _route("paths: [/]\n  preserve_host: §x")),
    Rejected("schema/enum", "expected one of: v0, v1", _route("paths: [/]\n  path_handling: §v2")),
    Rejected("schema/enum", "expected one of: 426, 301, 302, 307, 308", _route("paths: [/]\n  https_redirect_status_code: §303")),
    Rejected("schema/type", "expected a boolean", _route("paths: [/]\n  request_buffering: §x")),
    Rejected("schema/type", "expected a boolean", _route("paths: [/]\n  response_buffering: §x")),
    Rejected("schema/unknown-field", "unknown field", _route("paths: [/]\n  §host: a")),
    Rejected("schema/unknown-field", "unknown field", _route("paths: [/]\n  §expression: a")),
    Rejected("reference/missing", "invalid reference 'service: x' (no such entry in 'services')", _route("paths: [/]\n  service: §x")),
    Rejected("reference/missing", "no such entry in 'services'", _route("paths: [/]\n  service: §{name: x}")),
    Rejected("schema/type", "expected a string", _route("paths: [/]\n  service: §5")),
    Rejected("reference/null", "value must be null", "services:\n- name: a\n  host: h\n  routes:\n  - paths: [/]\n    service: §b\n- {name: b, host: h}\n"),
    Rejected("unique/value", "'routes' entity with name set to 'r'", "routes:\n- {name: r, paths: [/]}\n- {name: §r, paths: [/b]}\n"),
]  # fmt: skip

ACCEPTED_SERVICES = [
    "host: h",
    "host: 127.0.0.1",
    "host: '::1'",
    "host: '[::1]'",
    "host: my_upstream.v1",
    "host: a.example.com.",
    "host: h\n  port: 0",
    "host: h\n  port: 80.0",
    "host: h\n  retries: null",
    "host: h\n  protocol: grpc",
    "host: h\n  protocol: https\n  tls_verify: true\n  tls_verify_depth: 0",
    "host: h\n  tags: []",
    "host: h\n  tags: {}",
    "host: h\n  tags: [a, a, 'b c', ü]",
    "host: h\n  path: /a/%20b/(x)",
    "host: h\n  created_at: 1700000000",
    "host: h\n  _comment: hello\n  _ignore: [1, {a: b}]",
    "url: http://h",
    "url: https://h:8443/a/b?c=d#e",
    "url: grpc://h:9000",
    "url: h.example:443",
    "url: http://[::1]:80/",
    "host: h\n  routes: null",
    "host: h\n  plugins: []",
]

ACCEPTED_ROUTES = [
    "paths: [/]",
    "paths: ['~/a/(?<id>[0-9]+)$', /b]",
    "paths: [/a%2Fb]",
    "hosts: [a.b, '*.a.b', 'a.*', 'a.b:80', '*.a.b:80', '1.2.3.4', '[::1]:80']",
    "methods: [GET, GET, PROPFIND]",
    "headers: {X-A: [a, b], x_b: ['~*^v[0-9]']}",
    "headers: {X-A: []}",
    "snis: [a.b, '*.a.b', 'a.*']",
    "protocols: [grpc, grpcs]\n  paths: [/a]",
    "protocols: [grpc]\n  paths: [/a]\n  strip_path: false",
    "protocols: [tcp]\n  sources: [{ip: 10.0.0.0/8, port: 1}, {port: 5}, {ip: '::1'}]",
    "protocols: [tls]\n  snis: [a.b]",
    "protocols: [tls_passthrough]\n  snis: [a.b]",
    "protocols: [https]\n  snis: [a.b]\n  paths: [/]",
    "paths: [/]\n  regex_priority: -5",
    "paths: [/]\n  service: null",
    "paths: [/]\n  service: s",
    "paths: [/]\n  service: {name: s}",
    "paths: [/]\n  service: {id: 7a267194-6123-5ee0-a1c9-4c1559eb0d95}",
    "paths: [/]\n  https_redirect_status_code: 308",
    "paths: [/]\n  name: ünï.code~1_2-3",
]


@pytest.mark.parametrize("case", SERVICES, ids=lambda case: case.message[:40])
def test_refused_services(case: Rejected) -> None:
    reject(case)


@pytest.mark.parametrize("case", ROUTES, ids=lambda case: case.message[:40])
def test_refused_routes(case: Rejected) -> None:
    reject(case)


@pytest.mark.parametrize("body", ACCEPTED_SERVICES)
def test_accepted_services(body: str) -> None:
    assert len(accept(f"services:\n- {body}\n").services) == 1


@pytest.mark.parametrize("body", ACCEPTED_ROUTES)
def test_accepted_routes(body: str) -> None:
    target = "services: [{name: s, host: h, id: 7a267194-6123-5ee0-a1c9-4c1559eb0d95}]"
    assert len(accept(f"{target}\nroutes:\n- {body}\n").routes) == 1


EXPRESSIONS = [
    Rejected("route/expression", "cannot set 'expression' with 'methods'", "routes:\n- §expression: http.path == \"/\"\n  paths: [/]\n"),
    Rejected("route/expression", "cannot set 'regex_priority' with 'expression'", "routes:\n- expression: a\n  §regex_priority: 5\n"),
    Rejected("route/expression", "cannot set 'priority' with 'methods'", "routes:\n- paths: [/]\n  §priority: 5\n"),
    Rejected("schema/range", "value should be between 0 and 70368744177663", "routes:\n- expression: a\n  priority: §-1\n"),
    Rejected("schema/type", "expected a string", "routes:\n- paths: [/]\n  expression: §5\n"),
]  # fmt: skip


@pytest.mark.parametrize("case", EXPRESSIONS, ids=lambda case: case.message[:40])
def test_refused_expressions(case: Rejected) -> None:
    reject(case, router_flavor="expressions")


def test_expressions_count_as_something_to_match() -> None:
    (route,) = accept("routes: [{expression: 'http.path == \"/\"'}]", router_flavor="expressions").routes
    assert route.expression == 'http.path == "/"'
    assert route.priority is None or route.priority == 0


def test_http_routes_of_the_expressions_flavour_may_name_sources() -> None:
    text = "routes: [{paths: [/], sources: [{ip: 10.0.0.0/8}]}]"
    (route,) = accept(text, router_flavor="expressions").routes
    assert route.sources is not None
    assert route.sources[0].ip == "10.0.0.0/8"


def test_traditional_routes_name_exact_snis_only() -> None:
    case = Rejected("route/forbidden", "invalid value: *.a", "routes:\n- snis: [a.b, §'*.a']\n")
    reject(case, router_flavor="traditional")
