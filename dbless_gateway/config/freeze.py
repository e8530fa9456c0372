"""Linked drafts to entities: frozen values with exactly the fields of their classes.

The last stage. Nothing can be wrong here any more, so nothing is checked; a missing field is a bug of ours
and the parity test between schemas and classes finds it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha1
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from dbless_gateway.config import entities as e
from dbless_gateway.config.certificates import digest
from dbless_gateway.config.document import plain
from dbless_gateway.config.drafts import Draft, Fields
from dbless_gateway.config.password_hashes import is_password_hash
from dbless_gateway.config.rows import as_dict
from dbless_gateway.config.schemas import Record, Schemas
from dbless_gateway.config.secrets import Generator

T = TypeVar("T")

_CLASSES: Mapping[str, Any] = MappingProxyType(
    {
        "services": e.Service,
        "routes": e.Route,
        "consumers": e.Consumer,
        "consumer_groups": e.ConsumerGroup,
        "plugins": e.Plugin,
        "upstreams": e.Upstream,
        "targets": e.Target,
        "certificates": e.Certificate,
        "snis": e.Sni,
        "ca_certificates": e.CaCertificate,
        "vaults": e.Vault,
        "key_sets": e.KeySet,
        "keys": e.Key,
    }
)
_CREDENTIAL_OWN = frozenset({"id", "consumer", "tags", "created_at"})


def freeze(
    drafts: list[Draft],
    members: Sequence[tuple[str, str]],
    schemas: Schemas,
    *,
    text_hash: str,
    now: float,
    transform: bool,
    seed: bytes | None,
) -> e.Entities:
    """Return the configuration; uses up the drafts.

    ``transform`` says whether passwords are still to be hashed; secrets that the file leaves out come from
    ``seed``.
    """
    generator = Generator(seed)
    stamps = _Stamps(int(now), round(now, 3))
    made: dict[str, list[Any]] = {name: [] for name in (*_CLASSES, "credentials")}
    for draft in _used_up(drafts):
        if draft.collection == "plugins":
            plugin = schemas.plugin(draft.fields["name"])
            assert plugin is not None, "plugins without a schema are refused before"
            _generate(draft, plugin.record, draft.fields["config"], generator.key)
        if draft.collection in _CLASSES:
            made[draft.collection].append(_entity(draft, stamps))
        elif schemas.entity(draft.collection).credential_of is not None:
            _generate(draft, schemas.entity(draft.collection).record, draft.fields, generator.credential)
            made["credentials"].append(_credential(draft, stamps, transform=transform))
    return e.Entities(
        format_version="3.0",
        hash=text_hash,
        group_members=tuple(members),
        **{name: tuple(values) for name, values in made.items()},
    )


def _used_up(drafts: list[Draft]) -> Iterator[Draft]:
    """Yield the drafts in their order and forget each: the next entity can have its memory."""
    drafts.reverse()
    while drafts:
        yield drafts.pop()


class _Stamps(NamedTuple):
    """The time of the load, in seconds; the same object for all entities."""

    whole: int
    exact: float


def _entity(draft: Draft, stamps: _Stamps) -> Any:
    kind = _CLASSES[draft.collection]
    values = as_dict(draft.fields)
    own = {name: _own(values[name]) for name in _names(kind) if name in values}
    own["id"] = draft.id
    own["where"] = draft.where
    stamp = stamps.exact if draft.collection == "targets" else stamps.whole
    own["updated_at"] = stamp
    if own["created_at"] is None:
        own["created_at"] = stamp
    special = _SPECIAL.get(draft.collection)
    if special is not None:
        special(own)
    return kind(**own)


def _names(kind: Any) -> tuple[str, ...]:
    return tuple(kind.__match_args__)


def _own(value: Any) -> Any:
    """Return the value of a row as entities keep it: mappings as plain dicts; lists are tuples already."""
    return plain(value) if isinstance(value, dict) else value


def _json(value: Any) -> Any:
    """Return the value of a row as JSON has it."""
    return list(value) if isinstance(value, tuple) else plain(value)


def _route(own: dict[str, Any]) -> None:
    headers = own["headers"]
    if headers is not None:
        own["headers"] = {name: tuple(values) for name, values in headers.items()}
    for name in ("sources", "destinations"):
        if own[name] is not None:
            own[name] = tuple(e.AddressMatch(**match) for match in own[name])


def _upstream(own: dict[str, Any]) -> None:
    own["healthchecks"] = _build(e.Healthchecks, own["healthchecks"])
    if own["x_resilience"] is not None:
        own["x_resilience"] = _build(e.Resilience, own["x_resilience"])


def _ca_certificate(own: dict[str, Any]) -> None:
    own["cert_digest"] = digest(own["cert"])


_SPECIAL: Mapping[str, Callable[[dict[str, Any]], None]] = MappingProxyType(
    {"routes": _route, "upstreams": _upstream, "ca_certificates": _ca_certificate}
)

_NESTED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "Resilience": {"retry": e.Retry},
        "Healthchecks": {"active": e.ActiveChecks, "passive": e.PassiveChecks},
        "ActiveChecks": {"healthy": e.ActiveHealthy, "unhealthy": e.ActiveUnhealthy},
        "PassiveChecks": {"healthy": e.PassiveHealthy, "unhealthy": e.PassiveUnhealthy},
    }
)


def _build(kind: type[T], values: Mapping[str, Any]) -> T:
    """Make a nested record of a class."""
    inner = _NESTED.get(kind.__name__, {})
    made: dict[str, Any] = {}
    names: tuple[str, ...] = kind.__match_args__  # type: ignore[attr-defined]
    for name in names:
        value = values[name]
        if name in inner and value is not None:
            made[name] = _build(inner[name], value)
        elif isinstance(value, dict):
            made[name] = {key: tuple(items) for key, items in value.items()}
        else:
            made[name] = tuple(value) if isinstance(value, list) else value
    return kind(**made)


def _generate(draft: Draft, record: Record, values: Fields, make: Callable[[str, str], str]) -> None:
    """Fill in the secrets that the gateway makes itself, in place."""
    for name in record.generated:
        if values[name] is None:
            values[name] = make(draft.id, name)


def _kept_password(password: str, consumer: str) -> str:
    """Return a hash as it is, else what Kong keeps: SHA-1 of the password and the consumer's id."""
    if is_password_hash(password):
        return password
    text = password + consumer
    return sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _credential(draft: Draft, stamps: _Stamps, *, transform: bool) -> e.Credential:
    fields = as_dict(draft.fields)
    own = {name: _json(value) for name, value in fields.items() if name not in _CREDENTIAL_OWN}
    consumer = fields["consumer"]
    if draft.collection == "basicauth_credentials" and transform:
        own["password"] = _kept_password(own["password"], consumer)
    created_at = fields["created_at"]
    return e.Credential(
        id=draft.id,
        kind=draft.collection,
        consumer=consumer,
        fields=own,
        tags=fields["tags"],
        created_at=stamps.whole if created_at is None else created_at,
        where=draft.where,
    )
