"""Steady traffic over kept connections, in threads, while a test does something to the gateway."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from tests.support.client import Client
from tests.support.wire import ConnectionClosed, Response

T = TypeVar("T")


class SteadyLoad(Generic[T]):
    """Clients that ask one after the other for as long as the ``with`` block lasts.

    ``observations`` holds what ``observe`` made of each answer, in order, a list per client. Everything
    that is not an answer is a failure; a connection that the gateway announced to close is not.
    """

    def __init__(
        self,
        port: int,
        target: str,
        observe: Callable[[Response], T],
        *,
        clients: int = 6,
        pause_s: float = 0.0,
    ) -> None:
        """Each client pauses that long after each answer."""
        self._pause_s = pause_s
        self._port = port
        self._target = target
        self._observe = observe
        self._stopping = threading.Event()
        self.observations: list[list[T]] = [[] for _ in range(clients)]
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(seen,)) for seen in self.observations]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def count(self) -> int:
        """Return how many answers came so far."""
        return sum(map(len, self.observations))

    def _run(self, seen: list[T]) -> None:
        while not self._stopping.is_set():
            try:
                with Client(self._port) as client:
                    self._ask_until_closed(client, seen)
            except (ConnectionClosed, OSError) as error:
                self.failures.append(f"after {len(seen)} answers: {error!r}")

    def _ask_until_closed(self, client: Client, seen: list[T]) -> None:
        while not self._stopping.is_set():
            response = client.request(target=self._target)
            seen.append(self._observe(response))
            if response.get("Connection") == "close":
                return
            if self._pause_s:
                self._stopping.wait(self._pause_s)
