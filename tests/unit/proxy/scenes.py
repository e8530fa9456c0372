"""What several tests of the exchange begin with: a request under way, and plugins that do as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dbless_gateway.pdk.reply import Reply
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage

GET = request_bytes()
CHUNKED_ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def exchange_until_the_answer(stage: Stage, request: bytes = GET) -> tuple[FarEnd, FarEnd]:
    """Return client and target of a request that the target has received and not answered."""
    client = stage.connect()
    client.send(request)
    target = stage.accept()
    target.read_request()
    return client, target


class Waiting:
    """A plugin whose access waits until the test says what comes of it."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Reply | None] | None = None
        self.was_cancelled = False

    async def access(self, ctx: Any) -> Reply | None:
        self.outcome = ctx.gateway.loop.create_future()
        try:
            return await self.outcome
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


class Phases:
    """A plugin that notes each phase and does in it what the test wants."""

    def __init__(self, **actions: Callable[..., Any]) -> None:
        self.seen: list[str] = []
        self.actions = actions

    def _act(self, phase: str, *arguments: Any) -> Any:
        self.seen.append(phase)
        action = self.actions.get(phase)
        return action(*arguments) if action is not None else None

    def rewrite(self, ctx: Any) -> Any:
        return self._act("rewrite", ctx)

    def access(self, ctx: Any) -> Any:
        return self._act("access", ctx)

    def header_filter(self, ctx: Any) -> Any:
        return self._act("header_filter", ctx)

    def body_filter(self, ctx: Any, chunk: bytes, last: bool) -> Any:
        return self._act("body_filter", ctx, chunk, last)

    def log(self, ctx: Any) -> Any:
        return self._act("log", ctx)


class Responding:
    """A plugin that sees whole responses, and does with them what the test wants."""

    def __init__(self, respond: Callable[[Any], Any]) -> None:
        self.response = respond


def raise_error(*arguments: Any) -> None:
    raise RuntimeError("a plugin's bug")
