"""Entities to a snapshot, or every problem at its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dbless_gateway.config.entities import CaCertificate, Entities, Plugin, Where
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import load_schemas
from dbless_gateway.pdk.credential_index import SLICE as CREDENTIALS_SLICE
from dbless_gateway.routing.request import Connection
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot, compile_steps
from dbless_gateway.snapshot.disposal import dispose_steps
from dbless_gateway.snapshot.dry_run import DryRunHost
from dbless_gateway.snapshot.model import Snapshot
from dbless_gateway.snapshot.plan import CompiledRoute
from tests.support.exchange_script import make_entities, make_plugin
from tests.support.plugin_context import make_consumer, make_credential, make_route, make_service
from tests.support.upstream_entities import target, upstream

CLIENT = Connection(b"http", 8000, None, "192.0.2.1", 1, "192.0.2.2", 8000)


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def compiled(entities: Entities, **options: Any) -> Snapshot:
    outcome = compile_snapshot(entities, DryRunHost(), CompileOptions(**options))
    assert isinstance(outcome, Snapshot), outcome
    return outcome


def problems_of(entities: Entities, **options: Any) -> list[Problem]:
    outcome = compile_snapshot(entities, DryRunHost(), CompileOptions(**options))
    assert isinstance(outcome, list)
    return outcome


def matched(snapshot: Snapshot, path: bytes) -> CompiledRoute:
    class NoHeaders:
        def get_all(self, name: bytes) -> list[bytes]:
            return []

    match = snapshot.router.match(b"GET", b"a.test", path, CLIENT, NoHeaders(), None)
    assert match is not None
    return match.value


def correlation_id(number: int, **changes: Any) -> Plugin:
    """Return an enabled plugin; its header tells the instances apart."""
    config = {"header_name": f"X-{number}", "generator": "uuid#counter", "echo_downstream": False}
    return make_plugin("correlation-id", id=uuid(number), config=config, **changes)


def _defaults(plugin: str) -> dict[str, Any]:
    """Return the config of a plugin whose fields have all been left out."""
    schema = load_schemas().plugin(plugin)
    assert schema is not None
    config: dict[str, Any] = schema.record.fill({}, keep_null=True)
    return config


SERVICE = make_service(
    uuid(1), host="u", retries=2, connect_timeout=1500, write_timeout=2500, read_timeout=3500
)
ROUTE = make_route(uuid(2), service=uuid(1), paths=("/a",), preserve_host=True, request_buffering=False)


class TestServices:
    def test_times_are_seconds(self) -> None:
        service = matched(compiled(make_entities(services=[SERVICE], routes=[ROUTE])), b"/a").service
        assert service is not None
        assert service.retries == 2
        assert (service.connect_timeout_s, service.write_timeout_s, service.read_timeout_s) == (1.5, 2.5, 3.5)

    def test_host_that_is_an_upstreams_name(self) -> None:
        snapshot = compiled(
            make_entities(
                services=[SERVICE], routes=[ROUTE], upstreams=[upstream("u")], targets=[target("10.0.0.1:80")]
            )
        )
        service = matched(snapshot, b"/a").service
        assert service is not None
        assert service.balancer_key == ("upstream", "u")
        assert snapshot.hosts == frozenset()

    def test_any_other_host(self) -> None:
        snapshot = compiled(make_entities(services=[SERVICE], routes=[ROUTE]))
        service = matched(snapshot, b"/a").service
        assert service is not None
        assert service.balancer_key == ("host", "u", 80)
        assert snapshot.hosts == {("u", 80)}

    def test_unusable_certificates_are_problems(self) -> None:
        where = Where("kong.yaml", 7, 3)
        authority = CaCertificate(uuid(9), "nonsense", "0" * 64, None, 0, 0, where)
        service = replace(SERVICE, protocol="https", tls_verify=True, ca_certificates=(uuid(9),), where=where)
        (problem,) = problems_of(make_entities(services=[service], ca_certificates=[authority]))
        assert (problem.code, problem.line, problem.column) == ("certificate/unusable", 7, 3)
        assert problem.entity == 'service "api"'


class TestRoutes:
    def test_flags(self) -> None:
        route = matched(compiled(make_entities(services=[SERVICE], routes=[ROUTE])), b"/a")
        assert (route.preserve_host, route.request_buffering, route.is_restricted) == (True, False, False)

    @pytest.mark.parametrize(
        ("protocols", "needs_https", "grpc"),
        [
            (("http",), False, False),
            (("http", "https"), False, False),
            (("https",), True, False),
            (("grpc",), False, True),
            (("grpcs",), False, True),
        ],
    )
    def test_protocols(self, protocols: tuple[str, ...], needs_https: bool, grpc: bool) -> None:
        route = replace(ROUTE, protocols=protocols)
        (found,) = compiled(make_entities(services=[SERVICE], routes=[route])).routes
        assert (found.needs_https, found.grpc) == (needs_https, grpc)
        assert found.is_restricted == (needs_https or grpc)

    def test_route_without_service(self) -> None:
        assert matched(compiled(make_entities(routes=[replace(ROUTE, service=None)])), b"/a").service is None

    def test_bad_regexes_are_problems_all_at_once(self) -> None:
        bad = [
            replace(ROUTE, id=uuid(3), name="one", paths=("/ok", "~/a("), where=Where("kong.yaml", 4, 5)),
            replace(ROUTE, id=uuid(4), name="two", paths=("~/[",), where=Where("kong.yaml", 8, 5)),
        ]
        found = problems_of(make_entities(services=[SERVICE], routes=bad))
        assert [(problem.entity, problem.line) for problem in found] == [
            ('route "one"', 4),
            ('route "two"', 8),
        ]
        assert found[0].message.startswith("paths[1]: ")

    def test_routes_without_plugins_of_their_own_share_chains(self) -> None:
        routes = [replace(ROUTE, id=uuid(number), paths=(f"/{number}",)) for number in range(10, 15)]
        special = correlation_id(20, route=uuid(10))
        snapshot = compiled(
            make_entities(services=[SERVICE], routes=routes, plugins=[correlation_id(21), special])
        )
        chains = [matched(snapshot, b"/%d" % number).chains for number in range(10, 15)]
        assert len({id(found) for found in chains[1:]}) == 1
        assert chains[0] is not chains[1]


class TestPlugins:
    def compile(self, *plugins: Plugin) -> Snapshot:
        return compiled(make_entities(services=[SERVICE], routes=[ROUTE], plugins=plugins))

    def test_disabled_instances_do_not_count(self) -> None:
        """A disabled specific instance does not mask a global one."""
        snapshot = self.compile(correlation_id(1), correlation_id(2, route=ROUTE.id, enabled=False))
        (found,) = matched(snapshot, b"/a").chains.instances()
        assert found.entity.id == uuid(1)

    def test_disabled_plugins_need_not_exist(self) -> None:
        assert self.compile(make_plugin("not-here", enabled=False)).routes

    @pytest.mark.parametrize(
        ("protocols", "runs"), [(("tcp",), False), (("tcp", "https"), True), (("grpc",), True)]
    )
    def test_protocols_of_other_subsystems_are_ignored(self, protocols: tuple[str, ...], runs: bool) -> None:
        snapshot = self.compile(correlation_id(1, protocols=protocols))
        assert bool(matched(snapshot, b"/a").chains.instances()) == runs

    def test_plugins_that_cannot_run_are_problems_all_at_once(self) -> None:
        plugins = [
            make_plugin("not-here", where=Where("kong.yaml", 2, 3)),
            make_plugin("also/not", where=Where("kong.yaml", 4, 3)),
        ]
        found = problems_of(make_entities(plugins=plugins))
        assert [(problem.code, problem.line) for problem in found] == [
            ("plugin/not-run", 2),
            ("plugin/not-run", 4),
        ]
        assert "not-here" in found[0].message

    def test_unmatched_requests_see_global_instances_only(self) -> None:
        snapshot = self.compile(correlation_id(1, route=ROUTE.id))
        assert snapshot.global_chain.header_filter == ()
        assert self.compile(correlation_id(1)).global_chain.access == ()


class TestWhole:
    def test_identities_and_counts(self) -> None:
        snapshot = compiled(
            make_entities(services=[SERVICE], routes=[ROUTE], consumers=[make_consumer(uuid(5), "alice")])
        )
        assert snapshot.identities.consumer_by_id_or_username("alice") is not None
        assert (snapshot.counts["routes"], snapshot.counts["consumers"], snapshot.counts["plugins"]) == (
            1,
            1,
            0,
        )
        assert (snapshot.version, snapshot.hash) == (1, "0" * 32)

    def test_nothing_at_all(self) -> None:
        snapshot = compiled(make_entities())
        assert (snapshot.routes, snapshot.hosts, snapshot.rewrite) == ([], frozenset(), ())

    def test_work_is_sliced(self) -> None:
        """A worker compiles on its serving loop, so there must be many places to pause."""
        routes = [replace(ROUTE, id=uuid(number), paths=(f"/{number}",)) for number in range(500)]
        steps = compile_steps(
            make_entities(services=[SERVICE], routes=routes), DryRunHost(), CompileOptions()
        )
        assert sum(1 for _ in steps) > 50

    @pytest.mark.parametrize(
        ("plugin", "kind", "fields"),
        [
            ("key-auth", "keyauth_credentials", ("key",)),
            ("basic-auth", "basicauth_credentials", ("username", "password")),
            ("hmac-auth", "hmacauth_credentials", ("username", "secret")),
            ("jwt", "jwt_secrets", ("key", "secret")),
            ("acl", "acls", ("group",)),
        ],
    )
    def test_so_are_credentials(self, plugin: str, kind: str, fields: tuple[str, ...]) -> None:
        made = make_plugin(plugin, id=uuid(1), config=_defaults(plugin))

        def steps(count: int) -> int:
            consumers = [make_consumer(uuid(number)) for number in range(count)]
            credentials = [
                make_credential(uuid(number), kind, uuid(number), **dict.fromkeys(fields, str(number)))
                for number in range(count)
            ]
            entities = make_entities(consumers=consumers, credentials=credentials, plugins=[made])
            return sum(1 for _ in compile_steps(entities, DryRunHost(), CompileOptions()))

        assert steps(2000) - steps(0) >= 2000 // CREDENTIALS_SLICE

    def test_a_credential_that_no_plugin_can_use_is_told_at_the_plugin(self) -> None:
        credential = make_credential(
            uuid(1),
            "basicauth_credentials",
            uuid(2),
            username="a",
            password="$scrypt$ln=30,r=8,p=1$c2FsdA$aGFzaA",
        )
        plugin = make_plugin("basic-auth", id=uuid(3), config=_defaults("basic-auth"))
        (problem,) = problems_of(make_entities(credentials=[credential], plugins=[plugin]))
        assert "the password hash of user 'a'" in problem.message

    def test_dispose_empties_it_piece_by_piece(self) -> None:
        routes = [replace(ROUTE, id=uuid(number), paths=(f"/{number}",)) for number in range(500)]
        snapshot = compiled(make_entities(services=[SERVICE], routes=routes))
        assert sum(1 for _ in dispose_steps(snapshot)) > 5
        assert snapshot.routes == []

    def test_dispose_empties_credentials_piece_by_piece(self) -> None:
        credentials = [
            make_credential(uuid(number), "keyauth_credentials", "", key=str(number)) for number in range(500)
        ]
        plugin = make_plugin("key-auth", id=uuid(1), config=_defaults("key-auth"))
        snapshot = compiled(make_entities(credentials=credentials, plugins=[plugin]))
        assert sum(1 for _ in dispose_steps(snapshot)) > 10
        assert snapshot.identities.credentials("keyauth_credentials") == []
        assert not snapshot.identities.has_index("key-auth")
