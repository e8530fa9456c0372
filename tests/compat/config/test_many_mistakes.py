"""One file with more than thirty different mistakes: all of them are found in one pass, each at its place."""

from __future__ import annotations

from dbless_gateway.config.codes import CODES
from tests.compat.config.cases import MARK, errors, load_text

# Every mistake has its mark; the file says nothing that is right by accident.
TEXT = """
_format_version: "3.0"
§_formt: 3
_comment: §5
_info: {select_tags: §x, defaults: {route: {§name: n}}}
services:
- name: §one two
  host: §8
  port: §70000
  protocol: §htp
  retries: §-1
  tags: [§"a,b"]
  enabled: §"yes"
  §read_timout: 5
- name: grpc
  host: h
  protocol: grpc
  path: §/x
  connect_timeout: §0
  routes:
  - name: r
    protocols: §[http, grpc]
    paths: [/a]
  - §name: nothing
  - name: bad-paths
    paths: [§a, §//b, §/c/../d, §'~/(']
    methods: [§get]
    hosts: [§a.*.b]
    headers: {§host: [a]}
  plugins:
  - name: §rate-limitting
  - name: rate-limiting
    config: {minute: 10, hour: §5}
  - name: acl
    config: {allow: [a], §deny: [b]}
- name: §grpc
  host: h
- name: missing
  url: §http://
consumers:
- §tags: []
- username: c
  keyauth_credentials: [{key: §5}]
  groups: [§{name: none}]
upstreams:
- name: §1.2.3.4
  hash_fallback: §ip
  targets: [{target: §"a:b"}, {target: a, weight: §-1}]
  healthchecks: {active: {type: §udp}}
plugins:
- {name: cors, service: §nowhere}
- {name: key-auth, config: {§key_nmes: [a]}}
vaults: [{name: §aws, prefix: ab}]
"""


def test_all_mistakes_are_found_at_once() -> None:
    text = TEXT
    expected = []
    while MARK in text:
        before = text[: text.index(MARK)]
        expected.append((before.count("\n") + 1, len(before) - before.rfind("\n")))
        text = text.replace(MARK, "", 1)
    found = errors(load_text(text))
    assert [(problem.line, problem.column) for problem in found] == expected
    assert len(found) > 30
    assert len({problem.code for problem in found}) >= 12
    assert all(problem.code in CODES for problem in found)
