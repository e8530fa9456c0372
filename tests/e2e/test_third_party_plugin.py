"""Plugins that do not come with the gateway, in the real gateway: from a folder, changed, and broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.client import fetch
from tests.support.config import document, service
from tests.support.gateway import REPOSITORY, Gateway, write_atomically
from tests.support.origin import Origin

pytestmark = pytest.mark.slow

PLUGIN = '''"""Say hello in a header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.schema import Field

NAME = "say-hello"
PRIORITY = 5


@dataclass(frozen=True, slots=True)
class Config:
    text: Annotated[str, Field("What to say.")]
    times: Annotated[int, Field("How often.", at_least=1)] = 1


class Handler:
    def __init__(self, config: Config, env: PluginEnv) -> None:
        if "!" in config.text:
            raise ConfigError("text", "do not shout")
        self._text = " ".join([config.text] * config.times)

    def access(self, ctx: Context) -> None:
        if ctx.headers.get("x-fail"):
            raise RuntimeError("asked to")
        ctx.set_response_header("X-Hello", self._text)

    async def rewrite(self, ctx: Context) -> None:
        if ctx.headers.get("x-fail-later"):
            raise RuntimeError("asked to, later")
'''


class Site:
    """A configuration and a plugin folder that a test edits."""

    def __init__(self, folder: Path, address: str) -> None:
        self.address = address
        self.config = folder / "kong.yaml"
        self.plugins = folder / "plugins"
        self.plugins.mkdir()
        self.write_plugin(PLUGIN)
        self.write_config({"text": "hello"})

    def write_plugin(self, text: str) -> None:
        write_atomically(self.plugins / "say_hello.py", text)

    def write_config(self, config: dict[str, object]) -> None:
        plugins: list[dict[str, Any]] = [{"name": "say-hello", "config": config}, {"name": "prometheus"}]
        write_atomically(self.config, document(service(self.address, "/"), plugins=plugins))

    def validate(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dbless_gateway", "validate", "--plugin-dir", str(self.plugins)]
        return subprocess.run(
            [*command, str(self.config)], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )


def test_plugin_of_a_folder_lives_with_the_configuration(tmp_path: Path) -> None:
    with Origin() as origin:
        site = Site(tmp_path, origin.address)
        assert site.validate().returncode == 0
        with Gateway(site.config, workers=2, flags=("--plugin-dir", str(site.plugins))) as gateway:
            assert gateway.fetch("/").get("x-hello") == "hello"
            # The Admin API knows its fields, although its process never runs it.
            schema = json.loads(fetch(gateway.admin_port, "/schemas/plugins/say-hello").body)
            assert "times" in json.dumps(schema)
            # A changed file is loaded anew, in every worker.
            previous = gateway.status()["configuration_hash"]
            site.write_plugin(PLUGIN.replace('"X-Hello"', '"X-Welcome"'))
            previous = gateway.wait_for_configuration(previous)
            for _ in range(4):
                assert gateway.fetch("/").get("x-welcome") == "hello"
            # A broken one is told with its place, and the old goes on serving.
            lines = len(gateway.log.lines)
            site.write_plugin(PLUGIN + "def broken(:\n")
            gateway.log.wait_for(r"say_hello\.py:\d+:\d+.*invalid syntax", after=lines)
            assert gateway.fetch("/").get("x-welcome") == "hello"
            assert not any("Traceback" in line for line in gateway.log.lines)
            # Repaired to what is served: nothing changes. Repaired to something else: it does.
            site.write_plugin(PLUGIN.replace('"X-Hello"', '"X-Bye"'))
            gateway.wait_for_configuration(previous)
            assert gateway.fetch("/").get("x-bye") == "hello"


def test_start_refuses_a_broken_plugin(tmp_path: Path) -> None:
    with Origin() as origin:
        site = Site(tmp_path, origin.address)
        site.write_plugin(PLUGIN + "1 / 0\n")
        flags = ("--plugin-dir", str(site.plugins))
        with Gateway(site.config, flags=flags, wait=False) as gateway:
            line = gateway.log.wait_for("ZeroDivisionError")
            assert f"say_hello.py:{len(PLUGIN.splitlines()) + 1}:1" in line
            assert gateway.process.wait(30) == 78


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"text": "hello", "times": 0}, "value must be at least 1"),
        ({"times": 1}, "required field missing"),
        ({"text": "hello!"}, "config.text: do not shout"),
        ({"text": "hello", "colour": "red"}, "unknown field"),
    ],
)
def test_validate_knows_the_fields(tmp_path: Path, config: dict[str, object], said: str) -> None:
    site = Site(tmp_path, "127.0.0.1:1")
    site.write_config(config)
    found = site.validate()
    assert found.returncode == 1
    assert "kong.yaml:" in found.stdout
    assert said in found.stdout


def test_only_listed_plugins_are_allowed(tmp_path: Path) -> None:
    with Origin() as origin:
        site = Site(tmp_path, origin.address)
        environment = {"KONG_PLUGINS": "bundled", "KONG_PLUGIN_DIR": str(site.plugins)}
        with Gateway(site.config, environment=environment, wait=False) as gateway:
            gateway.log.wait_for("plugin 'say-hello' not enabled; add it to the 'plugins' configuration")
            assert gateway.process.wait(30) == 78
        environment["KONG_PLUGINS"] = "bundled,say-hello"
        with Gateway(site.config, environment=environment) as gateway:
            assert gateway.fetch("/").get("x-hello") == "hello"


@pytest.mark.parametrize(("fail_open", "status"), [("", 500), ("other, say-hello", 200)])
def test_error_in_a_plugin_is_a_500_unless_it_may_fail(tmp_path: Path, fail_open: str, status: int) -> None:
    with Origin() as origin:
        site = Site(tmp_path, origin.address)
        environment = {"KONG_PLUGIN_DIR": str(site.plugins), "KONG_PLUGIN_FAIL_OPEN": fail_open}
        with Gateway(site.config, environment=environment) as gateway:
            for header in ("x-fail", "x-fail-later"):
                assert gateway.fetch("/", headers=[(header, "1")]).status == status
            assert gateway.fetch("/").status == 200
            gateway.log.wait_for("RuntimeError: asked to, later")
            metrics = fetch(gateway.status_port, "/metrics").body.decode()
            assert 'dbless_plugin_latency_us_count{plugin="say-hello",phase="access"}' in metrics


def test_timer_runs_while_its_plugin_is_configured(tmp_path: Path) -> None:
    with Origin() as origin:
        site = Site(tmp_path, origin.address)
        site.write_plugin(
            PLUGIN
            + """
    timer_period_s = 0.1

    async def on_timer(self) -> None:
        print("tick", self._text, flush=True)
"""
        )
        with Gateway(site.config, flags=("--plugin-dir", str(site.plugins))) as gateway:
            gateway.log.wait_for("tick hello")
            previous = gateway.status()["configuration_hash"]
            site.write_config({"text": "bye"})
            gateway.wait_for_configuration(previous)
            gateway.log.wait_for("tick bye")


def admin(gateway: Gateway, method: str, target: str, body: object = None) -> tuple[int, str]:
    """Send JSON to the Admin API; return the status and the text of the answer."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = [("Content-Type", "application/json")] if content else []
    answer = fetch(gateway.admin_port, target, method=method, headers=headers, body=content)
    return answer.status, answer.body.decode()


def test_admin_api_knows_a_plugin_that_nobody_uses_yet(tmp_path: Path) -> None:
    site = Site(tmp_path, "127.0.0.1:1")
    without = document(service(site.address, "/"))
    write_atomically(site.config, without)
    flags = ("--plugin-dir", str(site.plugins), "--admin-write", "on")
    with Gateway(site.config, flags=flags) as gateway:
        assert "say-hello" in admin(gateway, "GET", "/plugins/enabled")[1]
        root = json.loads(admin(gateway, "GET", "/")[1])
        assert root["plugins"]["available_on_server"]["say-hello"]["priority"] == 5
        assert '"times"' in admin(gateway, "GET", "/schemas/plugins/say-hello")[1]
        for config, status in (({"text": "x"}, 200), ({"text": "x", "times": 0}, 400)):
            plugin = {"name": "say-hello", "config": config}
            assert admin(gateway, "POST", "/schemas/plugins/validate", plugin)[0] == status
        # A configuration that is posted may use it.
        posted = {**yaml.safe_load(without), "plugins": [{"name": "say-hello", "config": {"text": "posted"}}]}
        status, said = admin(gateway, "POST", "/config", posted)
        assert status == 201, said
        assert '"say-hello"' in said
        assert gateway.fetch("/").get("x-hello") == "posted"
        # So may a write, which goes to the file.
        status, said = admin(
            gateway, "POST", "/plugins", {"name": "say-hello", "config": {"text": "written"}}
        )
        assert status == 201, said
        assert gateway.fetch("/").get("x-hello") == "written"
        assert "written" in site.config.read_text()


def test_admin_api_hides_plugins_that_are_not_enabled(tmp_path: Path) -> None:
    site = Site(tmp_path, "127.0.0.1:1")
    write_atomically(site.config, document(service(site.address, "/")))
    environment = {"KONG_PLUGINS": "key-auth", "KONG_PLUGIN_DIR": str(site.plugins)}
    with Gateway(site.config, environment=environment) as gateway:
        assert json.loads(admin(gateway, "GET", "/plugins/enabled")[1]) == {"enabled_plugins": ["key-auth"]}
        assert admin(gateway, "GET", "/schemas/plugins/say-hello")[0] == 404


def test_whole_response_is_changed_before_it_is_sent(tmp_path: Path) -> None:
    with Origin() as origin:
        site = Site(tmp_path, origin.address)
        site.write_plugin(
            PLUGIN
            + """
    async def response(self, ctx: Context) -> None:
        seen = ctx.response_body
        ctx.response.headers.set("X-Seen", str(len(seen)))
        ctx.set_response_body(b"<" + seen + b">")
"""
        )
        with Gateway(site.config, flags=("--plugin-dir", str(site.plugins))) as gateway:
            for _ in range(2):
                response = gateway.fetch("/")
                assert response.get("content-length") == str(len(response.body))
                assert response.get("x-seen") == str(len(response.body) - 2)
                assert (response.body[:1], response.body[-1:]) == (b"<", b">")
            metrics = fetch(gateway.status_port, "/metrics").body.decode()
            assert 'dbless_plugin_latency_us_count{plugin="say-hello",phase="response"} 2' in metrics


def install(folder: Path, text: str) -> dict[str, str]:
    """Install a package with a plugin; return the environment that finds it."""
    site = folder / "site"
    info = site / "greeter-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "greeter.py").write_text(text)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dbless_gateway.plugins]\nsay-hello = greeter\n")
    return {"PYTHONPATH": str(site)}


def test_plugin_of_an_installed_package(tmp_path: Path) -> None:
    with Origin() as origin:
        site = Site(tmp_path, origin.address)
        environment = install(tmp_path, PLUGIN)
        with Gateway(site.config, workers=2, environment=environment) as gateway:
            assert gateway.fetch("/").get("x-hello") == "hello"
            lines = len(gateway.log.lines)
            site.write_config({"text": "hello!"})
            gateway.log.wait_for("config.text: do not shout", after=lines)
            assert gateway.fetch("/").get("x-hello") == "hello"


def test_broken_package_is_told_where_it_is_used(tmp_path: Path) -> None:
    site = Site(tmp_path, "127.0.0.1:1")
    environment = install(tmp_path, PLUGIN + "1 / 0\n")
    with Gateway(site.config, environment=environment, wait=False) as gateway:
        line = gateway.log.wait_for("plugin 'say-hello' cannot be loaded: greeter: ZeroDivisionError")
        assert "kong.yaml:" in line
        assert gateway.process.wait(30) == 78


def test_secret_fields_are_masked(tmp_path: Path) -> None:
    site = Site(tmp_path, "127.0.0.1:1")
    secret = 'text: Annotated[str, Field("What to say.", secret=True)]'
    site.write_plugin(PLUGIN.replace('text: Annotated[str, Field("What to say.")]', secret))
    site.write_config({"text": "tell-nobody"})
    command = [sys.executable, "-m", "dbless_gateway", "dump", "--plugin-dir", str(site.plugins)]
    dumped = subprocess.run(
        [*command, "-c", str(site.config)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert dumped.returncode == 0, dumped.stderr
    assert "say-hello" in dumped.stdout
    assert "tell-nobody" not in dumped.stdout
