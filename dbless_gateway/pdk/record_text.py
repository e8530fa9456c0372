"""The text of a log record: one JSON object per request in Kong's format, absent values left out.

It is written from left to right, because making objects of it first takes several times as long. What does not
change between requests (routes, services, consumers) is written once and remembered. A record never carries a
secret: Authorization, cookies and the names in ``secret_names`` are ``REDACTED``, in headers and query alike.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from dbless_gateway.http1.showing import REDACTED, HeaderTexts, quoted, to_json
from dbless_gateway.pdk.query import parse_query
from dbless_gateway.pdk.redaction import redacted_query

# The only workspace there is; the id is the same on every node, as Kong's default workspace is for its tools.
WORKSPACE_ID: Final = "00000000-0000-0000-0000-000000000000"
WORKSPACE_NAME: Final = "default"

# What a record may hold without being asked to.
OWN_FIELDS: Final = frozenset(
    (
        "request",
        "upstream_uri",
        "upstream_status",
        "response",
        "latencies",
        "client_ip",
        "started_at",
        "source",
        "workspace",
        "workspace_name",
        "authenticated_entity",
        "route",
        "tries",
        "service",
        "consumer",
    )
)

# Entities remembered as text; consumers can be a million.
_REMEMBERED_ENTITIES: Final = 10_000


class RecordWriter:
    """Writes the records of one configuration; ``secrets`` are the names whose values no log shows."""

    def __init__(self, secrets: set[str]) -> None:
        self._secrets = secrets
        self._headers = HeaderTexts(secrets)
        self._entities: dict[str, str] = {}

    def record(
        self,
        *,
        request_id: str,
        method: str,
        scheme: str,
        host: str,
        port: int,
        path: str,
        query: str | None,
        request_headers: bytes,
        request_size: int,
        tls: Any,
        upstream_uri: str,
        upstream_status: int | None,
        status: int,
        response_headers: bytes,
        response_size: int,
        total_ms: int,
        kong_ms: int,
        upstream_ms: int,
        receive_ms: int,
        client_ip: str,
        started_at: float,
        source: str,
        route: Any,
        service: Any,
        consumer: Any,
        credential: Any,
        tries: list[dict[str, Any]],
    ) -> str:
        """Return the record of an exchange; headers are blocks of lines, the rest is as in ``Context``."""
        args = "{}"
        if query is not None:
            path = f"{path}?{redacted_query(query, self._secrets)}"
            args = self._arguments(query)
        ending = "}"
        if tls is not None:
            shown = {"version": tls.version, "cipher": tls.cipher, "client_verify": tls.client_verify}
            ending = f',"tls":{to_json(shown)}}}'
        request = (
            f'{{"request":{{"id":"{request_id}","uri":{quoted(path)},'
            f'"url":{quoted(f"{scheme}://{host}:{port}{path}")},"querystring":{args},'
            f'"method":{quoted(method)},"headers":{self._headers.text(request_headers)},'
            f'"size":{request_size}{ending}'
        )
        response = (
            f',"upstream_uri":{quoted(self._without_secrets(upstream_uri))}'
            f',"upstream_status":"{_statuses(upstream_status, tries)}"'
            f',"response":{{"status":{status},"headers":{self._headers.text(response_headers)},'
            f'"size":{response_size}}}'
            f',"latencies":{{"request":{total_ms},"kong":{kong_ms},"proxy":{upstream_ms},"receive":{receive_ms}}}'
            f',"client_ip":{quoted(client_ip)},"started_at":{int(started_at * 1000)},"source":"{source}"'
            f',"workspace":"{WORKSPACE_ID}","workspace_name":"{WORKSPACE_NAME}"'
        )
        identity = "" if credential is None else f',"authenticated_entity":{to_json({"id": credential.id})}'
        routed = "" if route is None else f',"route":{self._entity(route)},"tries":{to_json(tries)}'
        served = "" if service is None else f',"service":{self._entity(service)}'
        consumed = "" if consumer is None else f',"consumer":{self._entity(consumer)}'
        return f"{request}{response}{identity}{routed}{served}{consumed}}}"

    def _arguments(self, query: str) -> str:
        args: dict[str, Any] = {}
        for name, value in parse_query(query):
            args.setdefault(name, []).append(value)
        for name, values in args.items():
            if name.lower() in self._secrets:
                args[name] = REDACTED
            elif len(values) == 1:
                args[name] = values[0]
        return to_json(args)

    def _without_secrets(self, uri: str) -> str:
        path, mark, query = uri.partition("?")
        return f"{path}?{redacted_query(query, self._secrets)}" if mark else uri

    def _entity(self, entity: Any) -> str:
        entity_id: str = entity.id
        known = self._entities.get(entity_id)
        if known is None:
            if len(self._entities) >= _REMEMBERED_ENTITIES:
                self._entities.clear()
            known = self._entities[entity_id] = to_json(entity_record(entity))
        return known


def _statuses(last: int | None, tries: list[dict[str, Any]]) -> str:
    """Return the status of each try: of what failed the one that the client would have got."""
    statuses = [str(attempt["code"]) for attempt in tries if "code" in attempt]
    if last is not None:
        statuses.append(str(last))
    return ", ".join(statuses)


def entity_record(entity: Any) -> dict[str, Any]:
    """Return an entity as the Admin API shows it, without its nulls."""
    record = {name: value for name, value in asdict(entity).items() if value is not None and name != "where"}
    if isinstance(record.get("service"), str):
        record["service"] = {"id": record["service"]}
    return record | {"ws_id": WORKSPACE_ID}
