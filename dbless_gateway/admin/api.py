"""The route tables of the Admin API and of the Status API, and the rules that hold for every endpoint.

The rows themselves are made in ``tables.py``. Here live the answers that no view gives: unknown paths and
methods, HEAD, OPTIONS, unsuitable bodies, and failures that a view raises.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dbless_gateway.admin.bodies import media_type
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.endpoints import Endpoint, PathTree, View
from dbless_gateway.admin.failures import Failure
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, message_answer
from dbless_gateway.admin.tables import ADMIN_API, STATUS_API

__all__ = ["ADMIN_API", "STATUS_API", "Api", "Endpoint"]

_BODY_TYPES = frozenset({"application/json", "application/x-www-form-urlencoded", "multipart/form-data"})
_YAML_TYPES = frozenset({"application/yaml", "text/yaml"})


class Api:
    """A table, ready to answer; a protected one answers nobody without the node's token, if it has one."""

    def __init__(self, table: Sequence[Endpoint], commands: Commands, *, is_protected: bool = False) -> None:
        self._commands = commands
        self._is_protected = is_protected
        self._tree = PathTree(table)

    async def answer(self, request: AdminRequest) -> AdminAnswer:
        """Answer any request; the server drops the body of an answer to HEAD."""
        # Browsers ask with OPTIONS before they send the token.
        if self._is_protected and request.method != "OPTIONS" and not _has_token(request, self._commands):
            return message_answer(401, "Unauthorized")
        found = self._tree.find(request.path)
        if found is None:
            return message_answer(404, "Not found")
        if request.method == "OPTIONS":
            return _options(request, found.views)
        view = found.views.get("GET" if request.method == "HEAD" else request.method)
        if view is None:
            refusal = message_answer(405, "Method not allowed")
            return replace(refusal, headers={"Allow": _allowed(found.views)})
        if request.body and not _is_acceptable(request):
            return message_answer(415, "Unsupported media type")
        is_trusted = request.is_trusted or (self._is_protected and bool(self._commands.admin_token()))
        try:
            return await view(replace(request, keys=found.keys, is_trusted=is_trusted), self._commands)
        except Failure as failure:
            return failure.answer


def _has_token(request: AdminRequest, commands: Commands) -> bool:
    token = commands.admin_token()
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("kong-admin-token") or (bearer.strip() if kind.lower() == "bearer" else "")
    # Heads were read as Latin-1, whatever the bytes meant; clients write UTF-8.
    return not token or hmac.compare_digest(given.encode("latin-1"), token.encode())


def _options(request: AdminRequest, found: Mapping[str, View]) -> AdminAnswer:
    allow = _allowed(found)
    wanted = request.headers.get("access-control-request-headers", "Content-Type")
    return AdminAnswer(
        204,
        None,
        headers={
            "Allow": allow,
            "Access-Control-Allow-Methods": allow,
            "Access-Control-Allow-Headers": wanted,
        },
    )


def _allowed(found: Mapping[str, View]) -> str:
    return ", ".join(sorted({*found, "OPTIONS"} | ({"HEAD"} if "GET" in found else set())))


def _is_acceptable(request: AdminRequest) -> bool:
    kind = media_type(request)
    return kind in _BODY_TYPES or (kind in _YAML_TYPES and request.path.rstrip("/") == "/config")
