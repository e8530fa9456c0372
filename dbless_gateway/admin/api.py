"""The route tables of the Admin API and of the Status API, and the rules that hold for every endpoint.

A row is method, path, view and a line of description; the reference documentation and ``/endpoints`` are
made from the tables. Here live the answers that no view gives: unknown paths and methods, HEAD, OPTIONS,
unsuitable bodies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dbless_gateway.admin import views
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, message_answer

View = Callable[[AdminRequest, Commands], Awaitable[AdminAnswer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table."""

    method: str
    path: str
    view: View
    description: str


ADMIN_API: tuple[Endpoint, ...] = (
    Endpoint("GET", "/status", views.status, "Connections, configuration, memory and workers."),
    Endpoint("POST", "/reload", views.reload, "Load the configuration's files again (not in Kong)."),
)

STATUS_API: tuple[Endpoint, ...] = (
    Endpoint("GET", "/status", views.status, "Connections, configuration, memory and workers."),
    Endpoint("GET", "/status/ready", views.ready, "200 when this node should get traffic, else 503."),
    Endpoint("GET", "/status/live", views.live, "200 when the gateway's processes run (not in Kong)."),
)

_BODY_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


class Api:
    """A table, ready to answer."""

    def __init__(self, table: Sequence[Endpoint], commands: Commands) -> None:
        self._commands = commands
        self._views: dict[str, dict[str, View]] = {}
        for endpoint in table:
            self._views.setdefault(endpoint.path, {})[endpoint.method] = endpoint.view

    async def answer(self, request: AdminRequest) -> AdminAnswer:
        """Answer any request; the server drops the body of an answer to HEAD."""
        found = self._views.get(request.path) or self._views.get(_other_form(request.path))
        if found is None:
            return message_answer(404, "Not found")
        if request.method == "OPTIONS":
            return _options(request, found)
        view = found.get("GET" if request.method == "HEAD" else request.method)
        if view is None:
            return message_answer(405, "Method not allowed")
        if request.body and not _is_acceptable(request.headers.get("content-type", "")):
            return message_answer(415, "Unsupported media type")
        return await view(request, self._commands)


def _other_form(path: str) -> str:
    return path[:-1] if path.endswith("/") else path + "/"


def _options(request: AdminRequest, found: dict[str, View]) -> AdminAnswer:
    methods = {*found, "OPTIONS"} | ({"HEAD"} if "GET" in found else set())
    allow = ", ".join(sorted(methods))
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


def _is_acceptable(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in _BODY_TYPES
