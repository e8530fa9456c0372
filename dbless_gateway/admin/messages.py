"""A request to the Admin or Status API, and the answer to it: plain values between the server and the
views.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """One request, complete with its body."""

    method: str
    path: str  # decoded, without query
    query: Mapping[str, str]  # the last value of each name
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class AdminAnswer:
    """One answer; ``body`` None is none at all (204)."""

    status: int
    body: bytes | None
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, value: Any, **headers: str) -> AdminAnswer:
    """Answer with a JSON value."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return AdminAnswer(status, body, headers=headers)


def message_answer(status: int, message: str) -> AdminAnswer:
    """Answer with Kong's plainest body: a message."""
    return json_answer(status, {"message": message})
