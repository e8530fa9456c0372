"""A file that validates is a file that starts: the loader of a running gateway comes to the same verdict.

The files are real ones with a few edits at random: values swapped, keys removed, renamed and invented, and
text cut and damaged. No input may raise, in neither.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbless_gateway.config.load import LoadOptions
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source
from dbless_gateway.lint.verdict import NOT_RUN, judge
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server.load_messages import LoadRequest
from dbless_gateway.server.loader import check
from dbless_gateway.server.loading import LOADER_MODULE, Configuration, load
from dbless_gateway.server.spawning import child_command
from tests.support.gateway import REPOSITORY

FILES = REPOSITORY / "tests" / "compat" / "files"
REAL = [
    (REPOSITORY / "kong.yaml.example").read_text(),
    *(file.read_text() for file in sorted(FILES.rglob("*.yaml")) if file.name != "deck-defaults.yaml"),
]
WORDS = [
    None, True, 0, -1, 80, 1.5, 70000, "", "x", "/", "/a", "~/(", "~/a", "http", "https", "*", "*.a",
    "10.0.0.1", "key-auth", "cors", "grpc-web", "rate-limiting", [], {}, ["GET"], ["/a", "/a"],
    {"id": "x"}, {"a": ["b"]},
    "{vault://env/x}", "${{ env \"DECK_NONE\" }}", "\ud800", "\x00", "é", 10**30,
]  # fmt: skip
FLAVORS = ["traditional_compatible", "traditional", "expressions"]


def containers(value: Any) -> list[Any]:
    """Return every mapping and list of a document that is not empty."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, (dict, list)) and value else []
    return found + [item for child in inner for item in containers(child)]


def edit(document: Any, chance: random.Random) -> None:
    """Change one thing somewhere."""
    container = chance.choice(containers(document) or [{}])
    if not container:
        return
    keys = list(container) if isinstance(container, dict) else range(len(container))
    key = chance.choice(list(keys))
    action = chance.randrange(5)
    word = deepcopy(chance.choice(WORDS))
    if action == 0:
        del container[key]
    elif action == 1 and isinstance(container, dict):
        container[f"{key}s"] = container.pop(key)
    elif action == 2 and isinstance(container, list):
        container.append(container[key])
    elif action == 3 and isinstance(container, dict):
        container[str(chance.choice(WORDS))] = word
    else:
        container[key] = word


@st.composite
def edited_files(draw: Callable[..., Any]) -> str:
    chance = random.Random(draw(st.integers(0, 2**32)))
    document = yaml.safe_load(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(0, 4))):
        edit(document, chance)
    # What Python can hold and YAML cannot is of no interest here.
    return yaml.safe_dump(document, sort_keys=False).encode("utf-8", "ignore").decode()


@st.composite
def damaged_files(draw: Callable[..., Any]) -> bytes:
    raw = draw(st.sampled_from(REAL)).encode()
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(len(raw), start + 40)))
    return bytes(raw[:start] + draw(st.binary(max_size=12)) + raw[end:])


def verdicts(content: bytes, flavor: str) -> tuple[list[Problem], list[Problem], bool]:
    """Return what validate finds, what the loader finds, and whether the loader gives entities."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kong.yaml"
        file.write_bytes(content)
        ours = judge([Source(str(file))], LoadOptions(router_flavor=flavor)).problems
        checked = check(LoadRequest((str(file),), (), ProxyOptions(router_flavor=flavor)))
    return ours, checked.problems, checked.entities is not None


def assert_agree(content: bytes, flavor: str) -> None:
    ours, theirs, starts = verdicts(content, flavor)
    validates = not any(problem.severity == "error" or problem.code == NOT_RUN for problem in ours)
    assert validates == starts, [problem.headline() for problem in (*ours, *theirs)]
    # Whatever the loader refuses, validate names.
    assert {problem.code for problem in theirs} <= {problem.code for problem in ours}


relaxed = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(edited_files(), st.sampled_from(FLAVORS))
def test_validate_and_start_agree_on_edited_files(text: str, flavor: str) -> None:
    assert_agree(text.encode(), flavor)


@relaxed
@given(damaged_files())
def test_validate_and_start_agree_on_damaged_files(content: bytes) -> None:
    assert_agree(content, "traditional_compatible")


@relaxed
@given(st.binary(max_size=200))
def test_validate_and_start_agree_on_noise(content: bytes) -> None:
    assert_agree(content, "traditional_compatible")


@pytest.mark.slow
@pytest.mark.parametrize("content", [REAL[0], REAL[0].replace("host:", "hots:")], ids=["good", "bad"])
def test_the_loader_process_agrees(content: str, tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(content)
    request = LoadRequest((str(file),), (), ProxyOptions())
    outcome = asyncio.run(load(request, child_command(LOADER_MODULE)))
    ours, _, starts = verdicts(content.encode(), "traditional_compatible")

    assert isinstance(outcome, Configuration) == starts
    assert any(problem.severity == "error" for problem in ours) != starts
