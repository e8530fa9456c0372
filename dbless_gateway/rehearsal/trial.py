"""A rehearsal as tests in Python see it: requests by method and URL, and what an assertion can be about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.explanation import explain, who_answered
from dbless_gateway.rehearsal.plugin_chain import instances_of
from dbless_gateway.rehearsal.question import DEFAULT_CLIENT_IP, Question, ask
from dbless_gateway.rehearsal.rehearsal import Outcome, Rehearsal, rehearse
from dbless_gateway.rehearsal.targets import TargetAnswer, TargetRequest
from dbless_gateway.snapshot.foreign_plugins import NO_PLUGINS, PluginSettings, prepare

Headers = Mapping[str, str | Sequence[str]]


class InvalidConfiguration(ValueError):
    """The configuration has errors; the message has one line for each."""


class Tried:
    """What became of a request; names of entities are None where there is none."""

    def __init__(self, question: Question, outcome: Outcome) -> None:
        self.question = question
        self._outcome = outcome

    @property
    def status(self) -> int:
        """The status that the client sees."""
        return self._outcome.status

    @property
    def body(self) -> bytes:
        """The body that the client sees."""
        return self._outcome.body

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The header lines of the response."""
        return self._outcome.headers

    def header(self, name: str) -> str | None:
        """Return a header of the response, repeated ones joined."""
        return self._outcome.header(name)

    @property
    def route(self) -> str | None:
        """Name (else id) of the route."""
        route = self._outcome.route
        return None if route is None else route.entity.name or route.entity.id

    @property
    def service(self) -> str | None:
        """Name (else id) of the service."""
        route = self._outcome.route
        if route is None or route.service is None:
            return None
        return route.service.entity.name or route.service.entity.id

    @property
    def consumer(self) -> str | None:
        """Username (else custom_id, else id) of the consumer."""
        consumer = self._outcome.exchange.consumer if self._outcome.exchange is not None else None
        return None if consumer is None else consumer.username or consumer.custom_id or consumer.id

    @property
    def plugins(self) -> list[str]:
        """The plugins of the chain, in running order."""
        exchange = self._outcome.exchange
        return [] if exchange is None else [instance.entity.name for instance in instances_of(exchange)]

    @property
    def answered_by(self) -> str | None:
        """``target``, ``gateway``, or the name of a plugin."""
        return who_answered(self._outcome)

    @property
    def target(self) -> TargetRequest | None:
        """The request that the target has seen; the last one when there were several tries."""
        return self._outcome.target_request

    def __repr__(self) -> str:
        asked = f"{self.question.method} {self.question.url}"
        return f"<{asked}: {self.status} by {self.answered_by}, route {self.route}>"


class Trial:
    """See the module. Close it, or use it as a context manager."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers | None = None,
        body: bytes = b"",
        client_ip: str = DEFAULT_CLIENT_IP,
        sni: str | None = None,
        target: TargetAnswer | None = None,
    ) -> Tried:
        """Send a request; targets give the answer ``target``, an empty 200 unless it is given."""
        question = ask(method, url, headers=_lines(headers), body=body, client_ip=client_ip, sni=sni)
        return Tried(question, self.rehearsal.send(question, target))

    def get(self, url: str, *, headers: Headers | None = None) -> Tried:
        """Send a GET request."""
        return self.request("GET", url, headers=headers)

    def explain(self, method: str, url: str, *, headers: Headers | None = None) -> dict[str, object]:
        """Return what ``dbless-gateway explain --json`` prints."""
        return explain(self.rehearsal, ask(method, url, headers=_lines(headers)), all_misses=True)

    def forget(self, now_s: float | None = None) -> None:
        """Start anew: nothing was counted or cached, and it is this moment (Unix seconds; None is now)."""
        self.rehearsal.forget(now_s)

    def close(self) -> None:
        """Put everything away."""
        self.rehearsal.close()


def open_trial(
    files: Sequence[str],
    environ: Mapping[str, str],
    options: ProxyOptions | None = None,
    plugins: PluginSettings = NO_PLUGINS,
) -> Trial:
    """Open files and folders, merged as ``start`` would; raises ``InvalidConfiguration``."""
    options = options or ProxyOptions()
    loading = LoadOptions(environ=environ, router_flavor=options.router_flavor, plugins=prepare(plugins))
    loaded = load([Source(name) for name in files], loading)
    if loaded.entities is None:
        raise _invalid(loaded.problems)
    made = rehearse(loaded.entities, options)
    if isinstance(made, list):
        raise _invalid(made)
    return Trial(made)


def _invalid(problems: list[Problem]) -> InvalidConfiguration:
    return InvalidConfiguration("\n".join(problem.one_line() for problem in problems))


def _lines(headers: Headers | None) -> tuple[tuple[str, str], ...]:
    lists = ((name, [value] if isinstance(value, str) else value) for name, value in (headers or {}).items())
    return tuple((name, value) for name, values in lists for value in values)
