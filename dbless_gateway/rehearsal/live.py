"""The process that explains a request for a running gateway: entities and the question in, the answer out.

``python -m dbless_gateway.rehearsal.live`` takes a pickled ``LiveQuestion`` on standard input and writes
JSON, a status and a body, to standard output. It is a process of its own because compiling a large
configuration takes a second, and neither the supervisor's loop nor a worker's may stand still for one curious
person.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.slices import Assembler
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.explanation import explain
from dbless_gateway.rehearsal.question import DEFAULT_CLIENT_IP, BadQuestion, Question, ask
from dbless_gateway.rehearsal.rehearsal import Unanswered, rehearse

MODULE = "dbless_gateway.rehearsal.live"

_OK, _BAD_REQUEST, _FAILED = 200, 400, 500


@dataclass(frozen=True, slots=True)
class LiveQuestion:
    """What is served now, as slices of its entities, and what is asked.

    ``query`` has ``method``, ``url``, ``client_ip``, ``sni``, ``all``, and ``headers``: lines of
    ``name: value``.
    """

    slices: tuple[bytes, ...]
    options: ProxyOptions
    query: Mapping[str, str]


def main() -> int:
    """Answer one question."""
    question: LiveQuestion = pickle.loads(sys.stdin.buffer.read())
    assembler = Assembler()
    for piece in question.slices:
        assembler.add(piece)
    json.dump(answer(assembler.entities(), question.options, question.query), sys.stdout)
    return 0


def answer(entities: Entities, options: ProxyOptions, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of the answer."""
    try:
        question = _question(query)
    except BadQuestion as error:
        return _BAD_REQUEST, {"message": str(error)}
    rehearsal = rehearse(entities, options)
    if isinstance(rehearsal, list):
        return _FAILED, {"message": rehearsal[0].one_line()}
    with rehearsal:
        try:
            return _OK, explain(rehearsal, question, all_misses=query.get("all") == "true")
        except Unanswered as error:
            return _FAILED, {"message": str(error)}


def _question(query: Mapping[str, str]) -> Question:
    if "url" not in query:
        raise BadQuestion("the argument url is missing")
    lines = (line.partition(":") for line in query.get("headers", "").split("\n") if line)
    return ask(
        query.get("method", "GET"),
        query["url"],
        headers=tuple((name.strip(), value.strip()) for name, _, value in lines),
        client_ip=query.get("client_ip", DEFAULT_CLIENT_IP),
        sni=query.get("sni"),
    )


if __name__ == "__main__":
    raise SystemExit(main())
