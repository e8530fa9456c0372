"""What decK asks an Admin API: ping, dump, diff, sync, reset, as a recorded sequence of its requests.

decK reads everything in pages of 1000, asks the schemas for defaults, and writes by id: every entity with
``PUT``, those of one level ten at a time, parents before children, and deletes in the reverse order. It looks
at nothing but status, ``data``, ``offset`` and ``message``.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import Gateway

pytestmark = pytest.mark.slow

TOKEN = "deck's"
PARALLELISM = 10
SERVICE, ROUTE, UPSTREAM, TARGET, CONSUMER, KEY, PLUGIN, TAGGED = (
    f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 9)
)
# In the order in which it reads; a missing collection is an empty one where the second field says so.
COLLECTIONS = (
    ("services", False),
    ("routes", False),
    ("plugins", False),
    ("filter-chains", True),
    ("certificates", False),
    ("ca_certificates", True),
    ("snis", False),
    ("upstreams", False),
    ("vaults", True),
    ("keys", True),
    ("key-sets", True),
    ("partials", True),
    ("consumers", False),
    ("consumer_groups", True),
    ("key-auths", True),
    ("hmac-auths", True),
    ("jwts", True),
    ("basic-auths", True),
    ("oauth2", True),
    ("acls", True),
    ("mtls-auths", True),
)
TOLERATED = (400, 403, 404)
# What a file says, with the defaults that the schemas told, by level: path, id, body.
LEVELS: tuple[tuple[tuple[str, str, dict[str, Any]], ...], ...] = (
    (("consumers", CONSUMER, {"username": "bob"}),),
    (
        (
            "services",
            SERVICE,
            {
                "name": "example",
                "host": "up",
                "port": 80,
                "protocol": "http",
                "retries": 5,
                "connect_timeout": 60000,
                "read_timeout": 60000,
                "write_timeout": 60000,
                "enabled": True,
            },
        ),
        ("services", TAGGED, {"name": "tagged", "host": "up", "tags": ["team-a", "blue"]}),
        ("upstreams", UPSTREAM, {"name": "up", "algorithm": "round-robin", "slots": 10000}),
        (f"consumers/{CONSUMER}/key-auth", KEY, {"key": "secret", "consumer": {"id": CONSUMER}}),
    ),
    (
        (
            "routes",
            ROUTE,
            {
                "name": "example",
                "paths": ["/example"],
                "protocols": ["http", "https"],
                "strip_path": True,
                "https_redirect_status_code": 426,
                "path_handling": "v0",
                "service": {"id": SERVICE},
            },
        ),
        (f"upstreams/{UPSTREAM}/targets", TARGET, {"target": "127.0.0.1:9001", "weight": 100}),
    ),
    (
        (
            "plugins",
            PLUGIN,
            {
                "name": "key-auth",
                "enabled": True,
                "protocols": ["grpc", "grpcs", "http", "https"],
                "config": {"key_names": ["apikey"], "hide_credentials": False, "anonymous": None},
                "route": {"id": ROUTE},
            },
        ),
    ),
)


class Deck:
    """Sends what decK sends; answers are judged as it judges them."""

    def __init__(self, port: int) -> None:
        self._port = port

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"Kong-Admin-Token": TOKEN, "User-Agent": "decK/1.40.0"}
        content = None if body is None else json.dumps(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def succeed(self, method: str, path: str, body: Any = None) -> Any:
        status, found = self.call(method, path, body)
        assert 200 <= status < 400, (method, path, status, found)
        return found

    def ping(self) -> str:
        return str(self.succeed("GET", "/")["version"])

    def dump(self, tags: str = "") -> dict[str, list[dict[str, Any]]]:
        self.ping()
        found = {name: list(self.rows(f"/{name}", tags, tolerant)) for name, tolerant in COLLECTIONS}
        found["targets"] = [
            row for up in found["upstreams"] for row in self.rows(f"/upstreams/{up['id']}/targets", tags)
        ]
        return found

    def rows(self, path: str, tags: str = "", tolerant: bool = False) -> Iterator[dict[str, Any]]:
        query = f"{path}?size=1000" + (f"&tags={tags}" if tags else "")
        offset: str | None = ""
        while offset is not None:
            status, page = self.call("GET", query + (f"&offset={offset}" if offset else ""))
            if tolerant and status in TOLERATED:
                return
            assert status == 200, (path, status, page)
            yield from page["data"]
            offset = page.get("offset")

    def ask_schemas(self) -> None:
        for name in ("services", "routes", "upstreams", "targets", "plugins/key-auth"):
            assert self.succeed("GET", f"/schemas/{name}")["fields"]

    def differences(self, levels: Any) -> list[str]:
        """Return the ids of what the gateway has not, or has otherwise."""
        self.ask_schemas()
        served = {row["id"]: row for rows in self.dump().values() for row in rows}
        return [
            entity_id
            for level in levels
            for _, entity_id, body in level
            if not contains(served.get(entity_id), body)
        ]

    def sync(self, levels: Any) -> None:
        wanted = set(self.differences(levels))
        with ThreadPoolExecutor(PARALLELISM) as pool:
            for level in levels:
                rows = [row for row in level if row[1] in wanted]
                # list() raises what a thread raised.
                list(pool.map(self._put, rows))

    def _put(self, row: tuple[str, str, dict[str, Any]]) -> None:
        path, entity_id, body = row
        self.succeed("PUT", f"/{path}/{entity_id}", {"id": entity_id, **body})

    def reset(self, levels: Any) -> None:
        self.dump()
        with ThreadPoolExecutor(PARALLELISM) as pool:
            for level in reversed(levels):
                list(pool.map(lambda row: self.succeed("DELETE", f"/{row[0]}/{row[1]}"), level))


def contains(served: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(served, dict) and all(
            contains(served.get(name), value) for name, value in wanted.items()
        )
    return bool(served == wanted)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    file = tmp_path / "kong.yaml"
    # One that no sync knows: a node without a configuration is never ready.
    file.write_text('_format_version: "3.0"\nvaults:\n  # kept\n  - {name: env, prefix: mine}\n')
    with Gateway(file, flags=("--admin-write", "on"), environment={"KONG_ADMIN_TOKEN": TOKEN}) as gateway:
        yield gateway


def test_a_session(gateway: Gateway) -> None:
    deck, file = Deck(gateway.admin_port), gateway.files[0]
    assert deck.ping().split(".")[0] == "3"
    ids = [entity_id for level in LEVELS for _, entity_id, _ in level]
    assert deck.differences(LEVELS) == ids
    deck.sync(LEVELS)
    assert deck.differences(LEVELS) == []
    assert [row["name"] for row in deck.dump("team-a,blue")["services"]] == ["tagged"]
    # One entity changed in the file that decK has.
    (consumers, (service, *others), *rest) = LEVELS
    changed = (consumers, ((*service[:2], {**service[2], "retries": 9}), *others), *rest)
    assert deck.differences(changed) == [SERVICE]
    deck.sync(changed)
    assert deck.differences(changed) == []
    assert "retries: 9" in file.read_text()
    deck.reset(LEVELS)
    left = {name: rows for name, rows in deck.dump().items() if rows}
    assert list(left) == ["vaults"]
    assert "# kept" in file.read_text()


def test_entities_are_judged_one_by_one(gateway: Gateway) -> None:
    deck = Deck(gateway.admin_port)
    for collection, body in (("services", {"host": "a.test"}), ("routes", {"paths": ["/a"]})):
        deck.succeed("POST", f"/schemas/{collection}/validate", body)
    status, said = deck.call("POST", "/schemas/routes/validate", {"paths": ["a"]})
    assert (status, said["name"]) == (400, "schema violation")
    assert said["message"].startswith("schema violation (paths.1: ")


def test_without_leave_the_message_says_why(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text('_format_version: "3.0"\nservices: [{name: a, host: a.test}]\n')
    with Gateway(file) as gateway:
        status, said = Deck(gateway.admin_port).call("PUT", f"/services/{SERVICE}", {"host": "b.test"})
        assert status == 405
        text = "cannot create or update 'services' entities when not using a database"
        assert said["message"] == text
