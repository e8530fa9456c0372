"""dbless-gateway schema: print one self-contained JSON Schema of kong.yaml, for completion in editors.

With ``--write FILE...`` the schema is stored beside the first file, and every file gets the comment line by
which editors find it.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from dbless_gateway.cli.files import replace_text
from dbless_gateway.cli.sources import plugin_settings
from dbless_gateway.config.editor_schema import editor_schema
from dbless_gateway.snapshot.foreign_plugins import prepare

SCHEMA_NAME = "kong.schema.json"
_MODELINE = "# yaml-language-server: $schema="


def main(argv: list[str]) -> int:
    """Print or store the schema."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway schema",
        description="Print one self-contained JSON Schema of kong.yaml, every plugin included.",
    )
    parser.add_argument(
        "--write",
        nargs="*",
        metavar="FILE",
        help=f"store it as {SCHEMA_NAME} beside the first FILE, or here, and name it on top of each FILE",
    )
    parser.add_argument(
        "--plugin-dir",
        action="append",
        metavar="FOLDER",
        help="folder with plugins of your own; may be repeated (default: KONG_PLUGIN_DIR)",
    )
    arguments = parser.parse_args(argv)
    files = arguments.write
    broken = prepare(plugin_settings(arguments.plugin_dir)).problems
    if broken:
        parser.error(f"{broken[0].file}:{broken[0].line}: {broken[0].message}")
    text = json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"
    if files is None:
        print(text, end="")
        return 0
    missing = next((name for name in files if not os.path.isfile(name)), None)
    if missing is not None:
        parser.error(f"there is no file {missing}")
    _write(text, [Path(name) for name in files])
    return 0


def _write(text: str, files: list[Path]) -> None:
    schema = (files[0].parent if files else Path()) / SCHEMA_NAME
    replace_text(schema, text)
    print(f"wrote {schema}")
    for file in files:
        if file.suffix == ".json":
            continue
        relative = os.path.relpath(schema, file.parent)
        before = file.read_text("utf-8")
        after = with_modeline(before, relative if relative.startswith(".") else f"./{relative}")
        if after != before:
            replace_text(file, after)
            print(f"added the schema to {file}")


def with_modeline(text: str, schema: str) -> str:
    """Return a YAML text whose first line names the schema; another one there is replaced."""
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(_MODELINE)]
    return f"{_MODELINE}{schema}\n" + "".join(kept)
