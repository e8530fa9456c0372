"""The real loader process and its supervisor's side."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from dbless_gateway.config.slices import Assembler
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server.load_messages import LoadRequest
from dbless_gateway.server.loader import check
from dbless_gateway.server.loading import LOADER_MODULE, Configuration, LoaderFailed, load
from dbless_gateway.server.spawning import child_command
from tests.support.config import document, service

pytestmark = pytest.mark.slow

GOOD = document(service("127.0.0.1:1", "/a"))


def loaded(request: LoadRequest) -> object:
    return asyncio.run(load(request, child_command(LOADER_MODULE)))


def test_files_become_slices(tmp_path: Path) -> None:
    (tmp_path / "kong.yaml").write_text(GOOD)
    found = loaded(LoadRequest((str(tmp_path / "kong.yaml"),), (), ProxyOptions()))
    assert isinstance(found, Configuration)
    assert found.counts == {"services": 1, "routes": 1}
    assert found.texts == ()
    assembler = Assembler()
    for data in found.slices:
        assembler.add(data)
    assert [route.paths for route in assembler.entities().routes] == [("/a",)]
    assert assembler.entities().hash == found.hash


def test_texts_come_back_when_they_are_wanted_and_mean_the_same(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(GOOD)
    first = loaded(LoadRequest((str(file),), (), ProxyOptions(), wants_texts=True))
    assert isinstance(first, Configuration)
    assert first.texts == ((str(file), GOOD),)
    again = loaded(LoadRequest((), first.texts, ProxyOptions()))
    assert isinstance(again, Configuration)
    assert again.hash == first.hash


@pytest.mark.parametrize(("expand", "expected"), [(True, ["fallback"]), (False, [])])
def test_variables_are_expanded_when_the_settings_say_so(expand: bool, expected: list[str]) -> None:
    text = '_format_version: "3.0"\nroutes: [{name: "${NOT_SET:-fallback}", paths: [/a]}]\n'
    request = LoadRequest((), (("inline", text),), ProxyOptions(), expand_env=expand)
    found = check(request)
    names = [route.name for route in found.entities.routes] if found.entities is not None else []
    assert names == expected


def test_a_certificate_whose_secret_is_missing_is_no_obstacle() -> None:
    text = '_format_version: "3.0"\ncertificates: [{cert: "{vault://env/no-c}", key: "{vault://env/no-k}"}]\n'
    found = check(LoadRequest((), (("inline", text),), ProxyOptions()))
    assert found.entities is not None
    assert [problem.code for problem in found.problems] == ["vault/unresolved"] * 2


def test_keys_that_the_file_leaves_out_depend_on_the_seed_alone() -> None:
    text = (
        '_format_version: "3.0"\nconsumers:\n- username: ann\n  keyauth_credentials:\n  - tags: [made up]\n'
    )

    def key(seed: bytes) -> object:
        found = loaded(LoadRequest((), (("inline", text),), ProxyOptions(), seed=seed))
        assert isinstance(found, Configuration)
        assembler = Assembler()
        for data in found.slices:
            assembler.add(data)
        (credential,) = assembler.entities().credentials
        return credential.fields["key"]

    assert key(b"a" * 32) == key(b"a" * 32) != key(b"b" * 32)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('_format_version: "3.0"\nservices: 5\n', "schema/type"),
        (document(service("127.0.0.1:1", "~/(?=ahead)")), ""),
    ],
    ids=["loading", "compiling"],
)
def test_problems_are_all_there_is(text: str, code: str) -> None:
    found = loaded(LoadRequest((), (("inline", text),), ProxyOptions()))
    assert isinstance(found, tuple)
    assert found[0].file == "inline"
    assert found[0].code.startswith(code)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.exit(3)", "the loader ended with code 3"),
        ("pass", "the loader ended with code 0"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the loader ended with code -9"),
    ],
)
def test_a_loader_that_fails_says_nothing_about_the_file(program: str, message: str) -> None:
    request = LoadRequest((), (("inline", GOOD),), ProxyOptions())
    with pytest.raises(LoaderFailed, match=message):
        asyncio.run(load(request, [sys.executable, "-c", program]))


# Behind everybody else it hangs, as on a machine where it never gets a core; else it is the loader.
STARVING = f"""
import os, runpy, time
if os.sched_getscheduler(0) == os.SCHED_IDLE:
    time.sleep(600)
runpy.run_module({LOADER_MODULE!r}, run_name="__main__")
"""
# What it is asked comes when its policy is set.
WHEN_ASKED = "import select; select.select([0], [], [])"


def test_a_loader_that_starves_is_replaced() -> None:
    request = LoadRequest((), (("inline", GOOD),), ProxyOptions())
    command = [sys.executable, "-c", WHEN_ASKED + STARVING]
    found = asyncio.run(load(request, command, is_urgent=False, patience_s=0.1))
    assert isinstance(found, Configuration)
    assert found.counts == {"services": 1, "routes": 1}


@pytest.mark.parametrize(("is_urgent", "policy"), [(True, "SCHED_OTHER"), (False, "SCHED_IDLE")])
def test_a_loader_stands_back_unless_it_is_urgent(is_urgent: bool, policy: str) -> None:
    program = f"{WHEN_ASKED}; import os, sys; sys.exit(3 if os.sched_getscheduler(0) == os.{policy} else 4)"
    request = LoadRequest((), (("inline", GOOD),), ProxyOptions())
    with pytest.raises(LoaderFailed, match="ended with code 3"):
        asyncio.run(load(request, [sys.executable, "-c", program], is_urgent=is_urgent, patience_s=60.0))
