"""Queues and resources of plugins: shared by name, and put away when no plugin of the configuration has them.

A plugin whose configuration stays the same keeps what it had over a reload, even when it has not had a
request since. What the others had is put away behind the swap: first the queues send what is in them, with
the retries they have, then the resources are closed, because queues send on them.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, TypeVar

from dbless_gateway.pdk.plugin import Queue
from dbless_gateway.runtime.queues import BatchQueue, Queues
from dbless_gateway.snapshot.loans import Loan

T = TypeVar("T")

Loans = Mapping[str, Loan]  # by plugin id


class Belongings:
    """See the module."""

    def __init__(self, queues: Queues, log: logging.Logger) -> None:
        self._queues = queues
        self._log = log
        self._resources: dict[str, Any] = {}
        self._loans: Loans = {}
        self._former: list[Loans] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def resource(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` made on the first use of that name."""
        if name not in self._resources:
            self._resources[name] = make()
        resource: T = self._resources[name]
        return resource

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return the queue of that name, made on first use; the newest parameters and ``send`` apply."""
        return self._queues.get(name, parameters, send)

    def adopt(self, loans: Loans) -> None:
        """Take these for the plugins that are served from now on."""
        self._former.append(self._loans)
        self._loans = loans

    def sweep(self) -> None:
        """Put away what the plugins that are served do not have."""
        former, self._former = self._former, []
        for before, after in pairwise([*former, self._loans]):
            for plugin_id, loan in before.items():
                if loan.is_used:
                    _hand_over(loan, after.get(plugin_id))
        queues = self._queues.release({name for loan in self._loans.values() for name in loan.queues})
        if queues or self._unused():
            task = asyncio.get_running_loop().create_task(self._put_away(queues))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self, timeout_s: float) -> None:
        """Empty all queues and close everything, within the time."""
        await self._queues.close(timeout_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._close(list(self._resources))

    def __len__(self) -> int:
        return len(self._resources)

    async def _put_away(self, queues: Sequence[BatchQueue]) -> None:
        await asyncio.gather(*(queue.finish() for queue in queues))
        # Another sweep's queues may still send on what no plugin has any more: the last one closes it.
        if len(self._tasks) == 1:
            await self._close(self._unused())

    def _unused(self) -> list[str]:
        used = {name for loan in self._loans.values() for name in loan.resources}
        return [name for name in self._resources if name not in used]

    async def _close(self, names: Sequence[str]) -> None:
        # What was made last uses what was made before it.
        for name in reversed(names):
            resource = self._resources.pop(name, None)
            if not hasattr(resource, "close"):
                continue
            try:
                closing = resource.close()
                if inspect.isawaitable(closing):
                    await closing
            except Exception:  # noqa: BLE001 - a plugin may raise anything
                # Its name may hold an address or a password.
                self._log.exception("a resource of the kind %s could not be closed", name.partition(":")[0])


def _hand_over(loan: Loan, successor: Loan | None) -> None:
    if successor is not None and successor.config == loan.config:
        loan.pass_to(successor)
    loan.end()
