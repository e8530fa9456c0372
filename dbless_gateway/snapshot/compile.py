"""Entities to a snapshot: the second half of the config line, as one readable function.

``compile_steps`` does the work in slices of well under a millisecond, so that a worker can compile a large
configuration on its serving event loop; ``compile_snapshot`` does it at once. Both give a snapshot or all
problems. Pure: same entities, same snapshot; nothing is opened, started or registered here.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import suppress

from dbless_gateway.config.entities import Entities, Route, Service, Upstream, Where
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import dataclass, field, replace
from dbless_gateway.pdk.identity import Identities
from dbless_gateway.pdk.plugin import ConfigError, Host
from dbless_gateway.routing.router import RouteProblem, Router, RouterEntry
from dbless_gateway.routing.router import build_steps as build_router_steps
from dbless_gateway.snapshot.certificates import TlsPolicy, compile_certificates
from dbless_gateway.snapshot.chains import Instance, InstanceIndex, RouteChains
from dbless_gateway.snapshot.foreign_plugins import run_checked
from dbless_gateway.snapshot.model import Snapshot
from dbless_gateway.snapshot.plan import BalancerKey, CompiledRoute, CompiledService
from dbless_gateway.snapshot.plugin_loader import index_of, is_bundled, make_instance, problem_at
from dbless_gateway.snapshot.secrets import reveal, without_secrets
from dbless_gateway.snapshot.steps import Chain, Step
from dbless_gateway.snapshot.target_tls import TargetTlsContexts, TargetTlsPolicy

# Entities handled between two yields; each costs 2 to 20 us.
_SLICE = 16
_INSTANCES_SLICE = 4  # Each costs up to 100 us.
_IDENTITIES_SLICE = 256  # Each costs 0.2 us.


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """The settings that decide what a configuration means."""

    router_flavor: str = "traditional_compatible"
    targets: TargetTlsPolicy = field(default_factory=TargetTlsPolicy)
    tls: TlsPolicy | None = None  # towards clients; None: no listener speaks TLS
    fail_open: frozenset[str] = frozenset()  # plugins whose errors do not fail a request


Outcome = Snapshot | list[Problem]


def compile_snapshot(entities: Entities, host: Host, options: CompileOptions, version: int = 1) -> Outcome:
    """Compile at once."""
    steps = compile_steps(entities, host, options, version)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome


def compile_steps(
    entities: Entities, host: Host, options: CompileOptions, version: int = 1
) -> Generator[None, None, Outcome]:
    """Compile in slices; the generator's value is a snapshot, or every problem that compiling found."""
    problems: list[Problem] = []
    entities, lacking, secrets = reveal(entities)
    for code in entities.plugin_code:
        fault = run_checked(code)
        problems += [fault] if fault is not None else []
        yield
    identities = yield from _identities(entities)
    instances = yield from _instances(entities, lacking, identities, host, problems, options.fail_open)
    index = InstanceIndex(instances)
    services = yield from _services(entities, options, problems)
    certificates = yield from compile_certificates(
        entities.certificates, entities.snis, options.tls, problems
    )
    routes = yield from _routes(entities.routes, services, index)
    service_entities = {service.id: service for service in entities.services}
    entries: list[RouterEntry[CompiledRoute]] = []
    for number, route in enumerate(routes):
        entries.append(RouterEntry(route.entity, service_entities.get(route.entity.service or ""), route))
        if number % _SLICE == 0:
            yield
    router: Router[CompiledRoute] = yield from build_router_steps(entries, options.router_flavor)
    if router.problems:
        problems += _route_problems(router.problems, entities.routes)
    if problems:
        return [without_secrets(problem, secrets) for problem in problems] if secrets else problems
    return Snapshot(
        version=version,
        hash=entities.hash,
        router=router,
        routes=routes,
        rewrite=_rewrite_steps(index),
        global_chain=_without_access(RouteChains(index, None, None).base),
        identities=identities,
        upstreams=entities.upstreams,
        targets=entities.targets,
        hosts=frozenset(
            (key[1], key[2])
            for key in (service.balancer_key for service in services.values())
            if len(key) == 3
        ),
        certificates=certificates,
        counts=_counts(entities),
        timers=tuple(instance.timer for instance in instances if instance.timer is not None),
        loans={instance.entity.id: instance.loan for instance in instances if instance.loan is not None},
    )


def _identities(entities: Entities) -> Generator[None, None, Identities]:
    """Gather who may be asking, and make the indexes that the plugins look into."""
    consumers, credentials = entities.consumers, entities.credentials
    identities = Identities((), ())
    for start in range(0, max(len(consumers), len(credentials)), _IDENTITIES_SLICE):
        end = start + _IDENTITIES_SLICE
        identities.add(consumers[start:end], credentials[start:end])
        yield
    for name in dict.fromkeys(plugin.name for plugin in entities.plugins if plugin.enabled):
        index = index_of(name)
        if index is not None:
            # What is wrong with a credential is said by the handler, which has a place in the file.
            with suppress(ConfigError):
                yield from index.build_steps(identities)
    return identities


def _instances(
    entities: Entities,
    lacking: Collection[str],
    identities: Identities,
    host: Host,
    problems: list[Problem],
    fail_open: frozenset[str],
) -> Generator[None, None, list[Instance]]:
    """Make a handler for each enabled plugin of this subsystem.

    ``lacking`` are those with an empty secret: the load has warned of it, so a handler that cannot do without
    is left out. Not a plugin from elsewhere: it may be all that protects a route.
    """
    instances: list[Instance] = []
    for number, plugin in enumerate(entities.plugins):
        if not plugin.enabled:
            continue
        made = make_instance(plugin, identities, host, fails_open=plugin.name in fail_open)
        if isinstance(made, Problem):
            if plugin.id not in lacking or not is_bundled(plugin.name):
                problems.append(made)
        elif not _HTTP_PROTOCOLS.isdisjoint(plugin.protocols):
            instances.append(made)
        if number % _INSTANCES_SLICE == 0:
            yield
    return instances


def _services(
    entities: Entities, options: CompileOptions, problems: list[Problem]
) -> Generator[None, None, dict[str, CompiledService]]:
    upstreams = {upstream.name: upstream for upstream in entities.upstreams}
    contexts = TargetTlsContexts(
        {certificate.id: certificate for certificate in entities.certificates},
        {authority.id: authority for authority in entities.ca_certificates},
        options.targets,
    )
    services: dict[str, CompiledService] = {}
    for number, service in enumerate(entities.services):
        upstream = upstreams.get(service.host)
        try:
            services[service.id] = _service(service, upstream, contexts)
        except OSError as error:
            message = f"TLS to its targets cannot be set up: {error}"
            entity = f'service "{service.name or service.id}"'
            problems.append(problem_at(service.where, "certificate/unusable", entity, message, None))
        if number % _SLICE == 0:
            yield
    return services


def _service(service: Service, upstream: Upstream | None, contexts: TargetTlsContexts) -> CompiledService:
    key: BalancerKey = ("upstream", upstream.id) if upstream else ("host", service.host, service.port)
    return CompiledService(
        entity=service,
        balancer_key=key,
        tls=contexts.for_service(service, upstream),
        retries=service.retries,
        connect_timeout_s=service.connect_timeout / 1000,
        write_timeout_s=service.write_timeout / 1000,
        read_timeout_s=service.read_timeout / 1000,
    )


def _routes(
    routes: Iterable[Route], services: dict[str, CompiledService], index: InstanceIndex
) -> Generator[None, None, list[CompiledRoute]]:
    compiled: list[CompiledRoute] = []
    shared: dict[str | None, RouteChains] = {}
    for number, route in enumerate(routes):
        service = services.get(route.service) if route.service is not None else None
        if index.has_route_scope(route.id):
            chains = RouteChains(index, route.id, route.service)
        else:
            # Most routes have no plugins of their own: they share the chains of their service.
            found = shared.get(route.service)
            if found is None:
                found = shared[route.service] = RouteChains(index, None, route.service)
            chains = found
        compiled.append(_route(route, service, chains))
        if number % _SLICE == 0:
            yield
    return compiled


def _route(route: Route, service: CompiledService | None, chains: RouteChains) -> CompiledRoute:
    protocols = route.protocols
    needs_https = "https" in protocols and "http" not in protocols
    grpc = not {"grpc", "grpcs"}.isdisjoint(protocols)
    return CompiledRoute(
        entity=route,
        service=service,
        chains=chains,
        chain=chains.base,
        preserve_host=route.preserve_host,
        request_buffering=route.request_buffering,
        is_restricted=needs_https or grpc,
        needs_https=needs_https,
        redirect_status=route.https_redirect_status_code,
        grpc=grpc,
    )


def _rewrite_steps(index: InstanceIndex) -> tuple[Step, ...]:
    """Return the steps before routing: of global instances only, since nothing else is known there."""
    found = (index.find(name, None, None, None) for name in index.names)
    return tuple(
        instance.handler.rewrite for instance in found if instance and hasattr(instance.handler, "rewrite")
    )


def _without_access(chain: Chain) -> Chain:
    reads_body = bool(chain.body_filter)
    return replace(chain, access=(), response=(), needs_request_body=False, reads_body=reads_body)


def _route_problems(found: Iterable[RouteProblem], routes: Iterable[Route]) -> list[Problem]:
    by_id = {route.id: route for route in routes}
    return [_route_problem(problem, by_id[problem.route_id]) for problem in found]


def _route_problem(problem: RouteProblem, route: Route) -> Problem:
    element = "" if problem.index is None else f"[{problem.index}]"
    where: Where = route.where
    found = problem_at(
        where,
        "route/expression" if problem.field == "expression" else "schema/regex",
        f'route "{route.name or route.id}"',
        f"{problem.field}{element}: {problem.message}",
        problem.suggestion,
    )
    return replace(found, offset=problem.offset)


def _counts(entities: Entities) -> dict[str, int]:
    names = ("services", "routes", "upstreams", "targets", "consumers", "credentials", "plugins")
    return {name: len(getattr(entities, name)) for name in names}


_HTTP_PROTOCOLS = frozenset(("http", "https", "grpc", "grpcs"))
