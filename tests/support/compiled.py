"""C extensions of the compiled build, made here and now, so that their tests run wherever a C compiler is."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
WARNINGS = ("-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type", "-Werror")


def built(name: str) -> ModuleType:
    """Return the extension of that module name, built from its source; skips the module without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler", allow_module_level=True)
    short = name.rpartition(".")[2]
    with TemporaryDirectory() as folder:
        library = Path(folder, short + str(sysconfig.get_config_var("EXT_SUFFIX")))
        source = ROOT / (name.replace(".", "/") + ".c")
        flags = ["-shared", "-fPIC", "-O2", *WARNINGS, f"-I{sysconfig.get_path('include')}"]
        subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
        spec = importlib.util.spec_from_file_location(short, library)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
