"""The optional compiled build: with DBLESS_GATEWAY_COMPILE=1 the hot modules go into the wheel compiled, too.

``make wheel`` does it. The typed modules below are compiled by mypyc as they stand; the split of heads and the search
in them are small C extensions. The pure modules stay in the wheel beside them and are what is imported where no
compiled one fits; both run the same tests. Without the variable nothing here happens, and the wheel is pure.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SWITCH = "DBLESS_GATEWAY_COMPILE"

# What runs for every request. All classes here are duck-typed towards asyncio, since inheriting from an
# interpreted class would keep mypyc from making native ones.
HOT_MODULES = (
    "http1/headers.py",
    "http1/bodies.py",
    "http1/writing.py",
    "http1/request_head.py",
    "http1/response_head.py",
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
    "proxy/trying.py",
    "proxy/tunnel.py",
    "proxy/upload.py",
    "proxy/upstream.py",
    "balancing/plan.py",
    "balancing/round_robin.py",
    "pdk/api_keys.py",
    "pdk/auth.py",
    "pdk/identity.py",
    "pdk/limits.py",
    "pdk/windows.py",
    "routing/cache.py",
    "routing/match.py",
    "routing/paths.py",
    "runtime/balancer.py",
    "runtime/counters.py",
    "runtime/peer.py",
    "runtime/pools.py",
    "snapshot/chains.py",
    "snapshot/plan.py",
    "snapshot/steps.py",
)
C_EXTENSIONS = ("dbless_gateway.http1._searching", "dbless_gateway.http1._splitting")


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel."""

    def dependencies(self) -> list[str]:
        """Return what the build needs beside hatchling."""
        return ["mypy>=1.13", "setuptools>=70"] if self._is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile into a temporary folder and have the results put into the wheel."""
        if not self._is_wanted() or version == "editable":
            return
        self._folder = Path(tempfile.mkdtemp(prefix="dbless-gateway-build-"))
        built = compile_into(Path(self.root), self._folder)
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

    @staticmethod
    def _is_wanted() -> bool:
        return os.environ.get(SWITCH, "0") not in ("", "0")


def compile_into(root: Path, folder: Path) -> list[Path]:
    """Compile the package at ``root`` inside ``folder``; return the extension modules."""
    from mypyc.build import mypycify
    from setuptools import Distribution, Extension

    shutil.copytree(
        root / "dbless_gateway",
        folder / "dbless_gateway",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    before = Path.cwd()
    os.chdir(folder)
    try:
        paths = [f"dbless_gateway/{module}" for module in HOT_MODULES]
        extensions = mypycify(
            ["--ignore-missing-imports", *paths], opt_level="3", group_name="dbless_gateway_hot"
        )
        for name in C_EXTENSIONS:
            source = name.replace(".", "/") + ".c"
            extensions.append(Extension(name, [source], extra_compile_args=["-O3"]))
        distribution = Distribution({"name": "dbless-gateway", "ext_modules": extensions})
        command = distribution.get_command_obj("build_ext")
        command.inplace = True
        distribution.run_command("build_ext")
    finally:
        os.chdir(before)
    return sorted(folder.glob("*.so")) + sorted((folder / "dbless_gateway").rglob("*.so"))
