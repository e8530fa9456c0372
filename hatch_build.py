"""What is compiled when the package is built: the C extensions wherever a C compiler is, the rest on request.

``DBLESS_GATEWAY_COMPILE`` says how much: ``0`` nothing, ``c`` the three small C extensions for heads (the default;
half a second, and without a compiler the pure modules do their work), ``1`` the hot modules by
mypyc, too (``make wheel``; a minute). The pure modules stay in the wheel beside the compiled ones and are what is
imported where none fits; both run the same tests. In an editable installation the C extensions are built in
place, and the typed modules stay pure: there the source is what runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from setuptools import Extension

SWITCH = "DBLESS_GATEWAY_COMPILE"

# What runs for every request. All classes here are duck-typed towards asyncio, since inheriting from an
# interpreted class would keep mypyc from making native ones.
HOT_MODULES = (
    "http1/headers.py",
    "http1/bodies.py",
    "http1/writing.py",
    "http1/request_head.py",
    "http1/response_head.py",
    "http1/showing.py",
    "proxy/context.py",
    "proxy/downstream.py",
    "proxy/exchange.py",
    "proxy/forwarding.py",
    "proxy/framing.py",
    "proxy/gateway.py",
    "proxy/holding.py",
    "proxy/options.py",
    "proxy/responding.py",
    "proxy/retrying.py",
    "proxy/tls_transport.py",
    "proxy/trying.py",
    "proxy/tunnel.py",
    "proxy/upload.py",
    "proxy/upstream.py",
    "balancing/plan.py",
    "balancing/round_robin.py",
    "pdk/api_keys.py",
    "pdk/auth.py",
    "pdk/cache_keys.py",
    "pdk/cached_response.py",
    "pdk/correlation.py",
    "pdk/identity.py",
    "pdk/json_web_tokens.py",
    "pdk/limits.py",
    "pdk/log_values.py",
    "pdk/request_counts.py",
    "pdk/record_text.py",
    "pdk/response_cache.py",
    "pdk/signatures.py",
    "pdk/token_cache.py",
    "pdk/windows.py",
    "routing/cache.py",
    "routing/match.py",
    "routing/paths.py",
    "runtime/balancer.py",
    "runtime/cache.py",
    "runtime/counters.py",
    "runtime/metric_cells.py",
    "runtime/peer.py",
    "runtime/pools.py",
    "snapshot/chains.py",
    "snapshot/plan.py",
    "snapshot/steps.py",
)
C_EXTENSIONS = (
    "dbless_gateway.http1._searching",
    "dbless_gateway.http1._showing",
    "dbless_gateway.http1._splitting",
)


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel."""

    def dependencies(self) -> list[str]:
        """Return what the build needs beside hatchling."""
        wanted = _wanted()
        return [*(["setuptools>=70"] if wanted else []), *(["mypy>=1.13"] if wanted == "1" else [])]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile into a temporary folder and have the results put into the wheel; in place for an editable one."""
        wanted = _wanted()
        if not wanted:
            return
        root = Path(self.root)
        if version == "editable":
            with tempfile.TemporaryDirectory(prefix="dbless-gateway-build-") as objects:
                _build(root, c_extensions(optional=True), Path(objects))
            return
        self._folder = Path(tempfile.mkdtemp(prefix="dbless-gateway-build-"))
        built = compile_into(root, self._folder, everything=wanted == "1")
        if built:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["force_include"].update(
                {str(path): path.relative_to(self._folder).as_posix() for path in built}
            )

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _wanted() -> str:
    """Return how much is compiled: ``1``, ``c``, or nothing where no compiler is or none is wanted."""
    wanted = os.environ.get(SWITCH, "c")
    if wanted == "c":
        compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
        return "c" if shutil.which(compiler.split()[0]) else ""
    return "" if wanted in ("", "0") else "1"


def compile_into(root: Path, folder: Path, *, everything: bool = True) -> list[Path]:
    """Compile the package at ``root`` inside ``folder``; return the extension modules.

    Without ``everything`` only the C extensions are built, and one that cannot be is left out.
    """
    shutil.copytree(
        root / "dbless_gateway",
        folder / "dbless_gateway",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    extensions = c_extensions(optional=not everything)
    with contextlib.chdir(folder):
        if everything:
            extensions += _typed_modules()
    _build(folder, extensions, folder / "build")
    return sorted(folder.glob("*.so")) + sorted((folder / "dbless_gateway").rglob("*.so"))


def c_extensions(*, optional: bool) -> list[Extension]:
    """Return what is written in C; optional ones only warn when they cannot be built."""
    from setuptools import Extension

    return [
        Extension(name, [name.replace(".", "/") + ".c"], extra_compile_args=["-O3"], optional=optional)
        for name in C_EXTENSIONS
    ]


def _typed_modules() -> list[Any]:  # mypyc says Extension of setuptools or of distutils.
    from mypyc.build import mypycify

    paths = [f"dbless_gateway/{module}" for module in HOT_MODULES]
    return mypycify(["--ignore-missing-imports", *paths], opt_level="3", group_name="dbless_gateway_hot")


def _build(folder: Path, extensions: list[Extension], objects: Path) -> None:
    """Build the extensions of the package in that folder, in place."""
    from setuptools import Distribution

    distribution = Distribution({"name": "dbless-gateway", "ext_modules": extensions})
    command = distribution.get_command_obj("build_ext")
    command.inplace = True
    command.build_temp = command.build_lib = str(objects)
    with contextlib.chdir(folder):
        distribution.run_command("build_ext")
