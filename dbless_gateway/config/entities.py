"""The entities of a linked configuration, as plain frozen values.

Field names are Kong's (docs/reference/entities.md), times included: every ``*_timeout`` here is
in milliseconds, as in the file. There are **no defaults** here: they live in ``schemas/`` only, so that a
forgotten one cannot hide. A foreign key holds the *id* of the other entity (resolved by ``link``), never an
object: entities can be pickled, sent in slices to other processes, and compared.

Every entity carries ``where``, its place in the file, so that later stages can name it in a problem.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dbless_gateway.config.records import dataclass, field


class Where(NamedTuple):
    """A place in a configuration file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Service:
    """What answers requests, or the name of an upstream that balances over several."""

    id: str
    name: str | None
    protocol: str
    host: str
    port: int
    path: str | None
    retries: int
    connect_timeout: int
    write_timeout: int
    read_timeout: int
    client_certificate: str | None
    tls_verify: bool | None
    tls_verify_depth: int | None
    ca_certificates: tuple[str, ...] | None
    enabled: bool
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class AddressMatch:
    """One element of a route's ``sources`` or ``destinations``."""

    ip: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests go to a service."""

    id: str
    name: str | None
    service: str | None
    protocols: tuple[str, ...]
    methods: tuple[str, ...] | None
    hosts: tuple[str, ...] | None
    paths: tuple[str, ...] | None
    headers: dict[str, tuple[str, ...]] | None
    snis: tuple[str, ...] | None
    sources: tuple[AddressMatch, ...] | None
    destinations: tuple[AddressMatch, ...] | None
    expression: str | None
    priority: int | None
    regex_priority: int
    strip_path: bool
    path_handling: str
    preserve_host: bool
    https_redirect_status_code: int
    request_buffering: bool
    response_buffering: bool
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class Consumer:
    id: str
    username: str | None
    custom_id: str | None
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class ConsumerGroup:
    id: str
    name: str
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential of any kind (``keyauth_credentials``, ``jwt_secrets``, ``acls``, ...).

    ``fields`` holds what is particular to the kind (``key``; ``username`` and ``password``; ``group``; ...),
    with its defaults filled in.
    """

    id: str
    kind: str
    consumer: str
    fields: dict[str, Any]
    tags: tuple[str, ...] | None
    created_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class Plugin:
    id: str
    name: str
    instance_name: str | None
    service: str | None
    route: str | None
    consumer: str | None
    consumer_group: str | None
    config: dict[str, Any]
    protocols: tuple[str, ...]
    enabled: bool
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class ActiveHealthy:
    interval: float
    http_statuses: tuple[int, ...]
    successes: int


@dataclass(frozen=True, slots=True)
class ActiveUnhealthy:
    interval: float
    http_statuses: tuple[int, ...]
    tcp_failures: int
    timeouts: int
    http_failures: int


@dataclass(frozen=True, slots=True)
class ActiveChecks:
    """Active probes; ``timeout`` and the intervals are in seconds."""

    type: str
    timeout: float
    concurrency: int
    http_path: str
    https_sni: str | None
    https_verify_certificate: bool
    headers: dict[str, tuple[str, ...]] | None
    healthy: ActiveHealthy
    unhealthy: ActiveUnhealthy


@dataclass(frozen=True, slots=True)
class PassiveHealthy:
    http_statuses: tuple[int, ...]
    successes: int


@dataclass(frozen=True, slots=True)
class PassiveUnhealthy:
    http_statuses: tuple[int, ...]
    tcp_failures: int
    timeouts: int
    http_failures: int


@dataclass(frozen=True, slots=True)
class PassiveChecks:
    type: str
    healthy: PassiveHealthy
    unhealthy: PassiveUnhealthy


@dataclass(frozen=True, slots=True)
class Healthchecks:
    threshold: float
    active: ActiveChecks
    passive: PassiveChecks


@dataclass(frozen=True, slots=True)
class Retry:
    """When a request is sent to another target; times in seconds, ``budget`` in percent, 0 switches off."""

    statuses: tuple[int, ...]
    methods: tuple[str, ...] | None
    try_timeout: float
    deadline: float
    budget: float


@dataclass(frozen=True, slots=True)
class Resilience:
    """What Kong does not have: times in seconds, ``panic_threshold`` in percent; 0 switches a field off."""

    slow_start: float
    panic_threshold: float
    trial_interval: float
    retry: Retry | None


@dataclass(frozen=True, slots=True)
class Upstream:
    id: str
    name: str
    algorithm: str
    hash_on: str
    hash_fallback: str
    hash_on_header: str | None
    hash_fallback_header: str | None
    hash_on_cookie: str | None
    hash_on_cookie_path: str
    hash_on_query_arg: str | None
    hash_fallback_query_arg: str | None
    hash_on_uri_capture: str | None
    hash_fallback_uri_capture: str | None
    slots: int
    healthchecks: Healthchecks
    host_header: str | None
    client_certificate: str | None
    use_srv_name: bool
    sticky_sessions_cookie: str | None
    sticky_sessions_cookie_path: str
    x_resilience: Resilience | None
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class Target:
    """``target`` is normalised: ``host:port``, 8000 when the file gave none, IPv6 expanded in brackets."""

    id: str
    upstream: str
    target: str
    weight: int
    tags: tuple[str, ...] | None
    created_at: float
    updated_at: float
    where: Where


@dataclass(frozen=True, slots=True)
class Certificate:
    id: str
    cert: str
    key: str
    cert_alt: str | None
    key_alt: str | None
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class Sni:
    id: str
    name: str
    certificate: str
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class CaCertificate:
    id: str
    cert: str
    cert_digest: str
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class Vault:
    id: str
    prefix: str
    name: str
    description: str | None
    config: dict[str, Any]
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class KeySet:
    id: str
    name: str | None
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    name: str | None
    set: str | None
    kid: str
    jwk: str | None
    pem: dict[str, str | None] | None
    tags: tuple[str, ...] | None
    created_at: int
    updated_at: int
    where: Where


@dataclass(frozen=True, slots=True)
class PluginCode:
    """The source of a plugin from a folder, as it was when the configuration was checked."""

    name: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Secret:
    """What a vault reference stands for; ``path`` leads from the entity to the reference."""

    entity: str
    path: tuple[str | int, ...]
    value: str = field(repr=False)  # empty when the vault has none


@dataclass(frozen=True, slots=True)
class Entities:
    """One whole, linked configuration.

    ``hash`` is the MD5 (hex) of the raw text, as Kong shows it; ``format_version`` is always "3.0" after
    loading. Collections keep the order of the file. ``group_members`` are pairs of (consumer id, consumer
    group id). ``plugin_code`` comes from the settings, not from the file: it travels with what it was checked
    with, so that every process runs the same. ``secrets`` are the values of vault references, which the
    entities themselves keep as they are written.
    """

    format_version: str
    hash: str
    services: tuple[Service, ...]
    routes: tuple[Route, ...]
    consumers: tuple[Consumer, ...]
    consumer_groups: tuple[ConsumerGroup, ...]
    group_members: tuple[tuple[str, str], ...]
    credentials: tuple[Credential, ...]
    plugins: tuple[Plugin, ...]
    upstreams: tuple[Upstream, ...]
    targets: tuple[Target, ...]
    certificates: tuple[Certificate, ...]
    snis: tuple[Sni, ...]
    ca_certificates: tuple[CaCertificate, ...]
    vaults: tuple[Vault, ...]
    key_sets: tuple[KeySet, ...]
    keys: tuple[Key, ...]
    plugin_code: tuple[PluginCode, ...] = ()
    secrets: tuple[Secret, ...] = ()
