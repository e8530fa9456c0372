"""A request to the Admin or Status API, and the answer to it: plain values between the server and the
views.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """One request, complete with its body."""

    method: str
    path: str  # as in the request line: still percent-encoded, without query
    query: Mapping[str, str]  # the last value of each name
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""
    # The client is on this machine, or has shown the token or a certificate: it may see secrets.
    is_trusted: bool = True
    keys: tuple[str, ...] = ()  # what stands in the path for the parameters of the endpoint, decoded


@dataclass(frozen=True, slots=True)
class AdminAnswer:
    """One answer; ``body`` None is none at all (204)."""

    status: int
    body: bytes | None
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, value: Any, **headers: str) -> AdminAnswer:
    """Answer with a JSON value; dataclasses inside it become objects."""
    try:
        body = orjson.dumps(value)
    except TypeError:
        # What orjson is too strict for: a number beyond 64 bits, half a surrogate pair.
        body = json.dumps(orjson_free(value), separators=(",", ":")).encode()
    return AdminAnswer(status, body, headers=headers)


def orjson_free(value: Any) -> Any:
    """Return a value in which nothing but dicts, lists and scalars is left."""
    if hasattr(value, "__match_args__"):
        return {name: orjson_free(getattr(value, name)) for name in value.__match_args__}
    if isinstance(value, Mapping):
        return {str(name): orjson_free(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [orjson_free(item) for item in value]
    return value


def message_answer(status: int, message: str) -> AdminAnswer:
    """Answer with Kong's plainest body: a message."""
    return json_answer(status, {"message": message})


def empty_answer(status: int = 204) -> AdminAnswer:
    """Answer without a body."""
    return AdminAnswer(status, None)
