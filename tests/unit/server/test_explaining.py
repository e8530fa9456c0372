"""A question for the served configuration goes to a process of its own, and comes back as an answer."""

from __future__ import annotations

import asyncio

import pytest

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server.explaining import Explainer, ExplainerFailed

TEXT = '_format_version: "3.0"\nroutes: [{name: a, paths: [/a/]}]\n'


@pytest.fixture(scope="module")
def entities() -> Entities:
    loaded = load([Source("kong.yaml", TEXT)], LoadOptions(environ={}))
    assert loaded.entities is not None
    return loaded.entities


@pytest.mark.slow
def test_questions_are_answered_one_after_the_other(entities: Entities) -> None:
    async def ask() -> list[tuple[int, dict[str, object]]]:
        explainer = Explainer(ProxyOptions())
        questions = ({"url": "/a/"}, {"url": "nowhere"})
        return list(await asyncio.gather(*(explainer.explain(entities, question) for question in questions)))

    (status, told), (bad, why) = asyncio.run(ask())

    assert status == 200
    assert told["winner"]["route"]["name"] == "a"  # type: ignore[index]
    assert bad == 400
    assert "neither http://HOST/PATH" in str(why["message"])


def test_a_process_that_does_not_answer_is_ended(entities: Entities) -> None:
    async def ask() -> None:
        await Explainer(ProxyOptions(), timeout_s=0.0).explain(entities, {"url": "/a/"})

    with pytest.raises(ExplainerFailed, match="no answer within 0 s"):
        asyncio.run(ask())


def test_a_process_that_ends_without_an_answer(entities: Entities, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "")
    explainer = Explainer(ProxyOptions())
    monkeypatch.setattr(explainer, "_pickled", lambda *_: b"no pickle")

    with pytest.raises(ExplainerFailed, match="ended with code 1"):
        asyncio.run(explainer.explain(entities, {"url": "/a/"}))
