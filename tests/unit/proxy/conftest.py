"""Stages for exchange scripts, which must end without a logged bug unless a test asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.exchange_script import Stage

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage() -> Iterator[MakeStage]:
    """Make stages as ``Stage(...)`` does; a bug that a test expects, it takes out of ``stage.bugs``."""
    stages: list[Stage] = []

    def make(**arguments: object) -> Stage:
        stage = Stage(**arguments)  # type: ignore[arg-type]
        stages.append(stage)
        return stage

    yield make
    for stage in stages:
        assert [record.exc_info for record in stage.bugs] == []


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    """A gateway with one route and one target, and no plugins."""
    return make_stage()
