"""Lints of routes against each other: which can never match, and where nothing but ids decides.

The router itself is asked. For each case of a route a request is made that fits it; when the route gets it,
all is well. When another route gets it, that route is compared: if it takes everything that fits the case and
ranks higher, the case can never match. If it merely ranks the same, the ids decide, and a rename may turn the
decision around.

Coverage by several routes together is found case by case, not within one case; so a route may be unreachable
without a report, but a report is never wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from dbless_gateway.config.drafts import Draft, Finding, Path
from dbless_gateway.config.entities import Route
from dbless_gateway.config.identity import number_of
from dbless_gateway.lint.cover import covering_paths
from dbless_gateway.lint.places import Places
from dbless_gateway.lint.subject import Found, Subject
from dbless_gateway.lint.witness import Case, Witness, cases_of, witnesses_of
from dbless_gateway.routing.classic import is_http
from dbless_gateway.routing.compatible import group_ids, group_of, key_of, priority
from dbless_gateway.routing.request import Request

UNREACHABLE = "lint/unreachable-route"
AMBIGUOUS = "lint/ambiguous-priority"

TRADITIONAL = "traditional"
# What makes two routes of the traditional flavour members of the same lists, whatever the request.
_ATTRIBUTES = ("methods", "hosts", "headers", "snis", "sources", "destinations", "paths", "regex_priority")


class Loss(NamedTuple):
    """A case whose witness goes to another route."""

    case: Case
    witness: Witness
    winner: Route
    for_ever: bool


def contests(subject: Subject) -> Found:
    """Find routes and paths that can never match, and pairs of routes of the same rank."""
    for route, losses in _losses(subject):
        dead = list(_unreachable(route, losses))
        for path, loss in dead:
            yield route.where, partial(_never, path, loss)
        # Ties of the traditional flavour go to the route that stands first in the file, as people expect.
        if subject.flavor != TRADITIONAL:
            places = {path[-1] if path else None for path, _ in dead}
            left = [loss for loss in losses if None not in places and loss.case.place not in places]
            for loss in _ties(route, left):
                yield route.where, partial(_ambiguous, loss)


def _unreachable(route: Route, losses: list[Loss]) -> Iterator[tuple[Path, Loss]]:
    """Yield the route if it is lost for ever, else each of its paths that is, with a loss as evidence."""
    lost = {loss.case: loss for loss in losses if loss.for_ever}
    cases = cases_of(route)
    if len(lost) == len(cases):
        yield (), lost[cases[0]]
        return
    for place in dict.fromkeys(case.place for case in lost):
        of_path = [case for case in cases if case.place == place]
        if place is not None and all(case in lost for case in of_path):
            yield ("paths", place), lost[of_path[0]]


def _never(path: Path, loss: Loss, _: Draft, places: Places) -> Finding:
    where = loss.winner.where
    winner = places.of(loss.winner).label()
    what = "this path" if path else "this route"
    message = f"{what} can never match: `{loss.witness}`, for one, goes to {winner}"
    return Finding(path, UNREACHABLE, message, f"the other ranks higher; see {where.file}, line {where.line}")


def _ties(route: Route, losses: list[Loss]) -> Iterator[Loss]:
    """Yield one contested case for each route of the same rank."""
    contested = {loss.winner.id: loss for loss in reversed(losses) if _ranks_same(route, loss)}
    yield from contested.values()


def _ambiguous(loss: Loss, _: Draft, places: Places) -> Finding:
    winner, place = loss.winner, loss.case.place
    label = places.of(winner).label()
    message = f"{label} ranks the same and takes `{loss.witness}`: nothing but their ids decides"
    hint = f"make one of them more specific; the other is in {winner.where.file}, line {winner.where.line}"
    return Finding(() if place is None else ("paths", place), AMBIGUOUS, message, hint)


def _ranks_same(route: Route, loss: Loss) -> bool:
    winner, rank = loss.winner, priority(route, loss.case.path)
    if winner.expression is not None:
        return False
    return any(priority(winner, path) == rank for path in winner.paths or (None,))


def _losses(subject: Subject) -> Iterator[tuple[Route, list[Loss]]]:
    """Yield each route that does not get all of its own witnesses, with those that it loses."""
    disabled = {service.id for service in subject.entities.services if not service.enabled}
    for route in subject.entities.routes:
        if not is_http(route) or route.service in disabled:
            continue
        losses = [loss for case in cases_of(route) if (loss := _loss(subject, route, case)) is not None]
        if losses:
            yield route, losses


def _loss(subject: Subject, route: Route, case: Case) -> Loss | None:
    """Return how the case loses; None when it gets a witness, or none is known."""
    lost: list[Loss] = []
    for witness in witnesses_of(route, case):
        winner = _winner(subject, witness)
        if winner is None or winner.id == route.id:
            return None
        lost.append(Loss(case, witness, winner, _always_wins(subject.flavor, winner, route, case)))
    return next((loss for loss in lost if loss.for_ever), lost[0] if lost else None)


def _winner(subject: Subject, witness: Witness) -> Route | None:
    request = Request(
        witness.method.encode(),
        witness.host.encode(),
        witness.path.encode(),
        witness.connection(),
        witness,
        None,
    )
    match = subject.router.decide(request)
    return match.value.entity if match is not None else None


def _always_wins(flavor: str, winner: Route, route: Route, case: Case) -> bool:
    """Tell whether the winner of one witness wins for everything that fits the case."""
    if flavor == TRADITIONAL:
        return all(getattr(winner, name) == getattr(route, name) for name in _ATTRIBUTES)
    key = _key(route, case.path)
    return any(_key(winner, path) > key for path in covering_paths(winner, route, case))


def _key(route: Route, path: str | None) -> int:
    """Return the rank of a route's path, with the id that decides between equals."""
    ids = group_ids(route)
    own = number_of(route.id) if path is None else ids[group_of(path)]
    return key_of(priority(route, path), own, 0)
