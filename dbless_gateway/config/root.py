"""The top level of the files.

Format version, decK's notes, unknown keys, and what files that are merged must agree on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dbless_gateway.config.document import ROOT, Document
from dbless_gateway.config.drafts import Finding, Report
from dbless_gateway.config.records import dataclass
from dbless_gateway.config.schemas import Schemas
from dbless_gateway.config.validate import Validator

# The version of a merged file that names none, when no other file names one either.
_CURRENT = "3.0"
# Fields that say which entity it is; a default for them would make all entities one.
_IDENTITY = {
    "service": ("id", "name"),
    "route": ("id", "name", "service"),
    "upstream": ("id", "name"),
    "target": ("id", "target", "upstream"),
}


@dataclass(frozen=True, slots=True)
class Root:
    """One file's top level; ``shared`` says in which file each plugin configuration is, for all files."""

    document: Document
    version: str
    shared: Mapping[str, Document]
    transform: bool


def read_roots(documents: Sequence[Document], schemas: Schemas, report: Report) -> list[Root]:
    """Judge the top level of every file; a file without one is reported and left out."""
    validator = Validator(_root_schema(schemas, required=len(documents) < 2))
    good = [document for document in documents if _check_shape(document, validator, report)]
    _check_agreement(good, report)
    versions = [document.value(ROOT, ("_format_version",)) for document in good]
    named = [version for version in versions if isinstance(version, str)]
    if good and not named and len(documents) > 1:
        report.add_place(
            good[0], ("_format_version",), Finding((), "schema/required", "required field missing")
        )
    shared = _shared(good)
    return [
        Root(
            document,
            version if isinstance(version, str) else (named or [_CURRENT])[0],
            shared,
            document.value(ROOT, ("_transform",)) is not False,
        )
        for document, version in zip(good, versions, strict=True)
    ]


def _root_schema(schemas: Schemas, *, required: bool) -> dict[str, Any]:
    """Return the schema of the top level alone: collections may hold anything, the tree looks at them."""
    properties = {
        name: True if "x-kong-child" in item else item for name, item in schemas.root["properties"].items()
    }
    return schemas.root | {"properties": properties, "required": ["_format_version"] if required else []}


def _check_shape(document: Document, validator: Validator, report: Report) -> bool:
    if not document.is_mapping():
        message = "failed parsing declarative configuration: expected an object"
        report.add_place(document, (), Finding((), "format/root", message))
        return False
    properties = validator.schema["properties"]
    # The collections are most of the file, and nothing is said about them here.
    data = document.build(ROOT, [name for name, item in properties.items() if item is True])
    for finding in validator.findings(data):
        if finding.path == ("_format_version",) and finding.code == "schema/enum":
            finding = finding._replace(code="format/version")
        report.add_place(document, finding.path, finding)
    _check_defaults(document, data, report)
    _check_foreign(document, data, properties, report)
    return True


def _check_foreign(
    document: Document, data: Mapping[str, Any], properties: Mapping[str, Any], report: Report
) -> None:
    """Report collections that mean something to Kong and nothing to us."""
    for name, value in data.items():
        schema = properties.get(name)
        if not value or not isinstance(value, list) or not isinstance(schema, dict):
            continue
        if "x-kong-unsupported" in schema:
            finding = Finding((), "format/unsupported", "not supported", schema["x-kong-unsupported"], True)
            report.add_place(document, (name,), finding)
        elif "x-kong-ignored" in schema:
            message = f"`{name}` has no use without a database and is ignored"
            report.add_place(document, (name,), Finding((), "format/ignored", message, None, True))


def _check_defaults(document: Document, data: Mapping[str, Any], report: Report) -> None:
    info = data.get("_info")
    defaults = info.get("defaults") if isinstance(info, dict) else None
    for kind, names in _IDENTITY.items():
        given = defaults.get(kind) if isinstance(defaults, dict) else None
        for name in names:
            if isinstance(given, dict) and given.get(name) is not None:
                message = f"cannot have these restricted fields set: {name}"
                path = ("_info", "defaults", kind, name)
                report.add_place(document, path, Finding((), "format/defaults", message, None, True))


def _check_agreement(documents: Sequence[Document], report: Report) -> None:
    """Files that are merged must mean the same workspace."""
    for key in ("_workspace", "_konnect"):
        given = [
            (document, value) for document in documents if (value := document.value(ROOT, (key,))) is not None
        ]
        for document, value in given[1:]:
            first, expected = given[0]
            if value != expected:
                message = f"`{key}` is another than in {first.file}; one load has one"
                report.add_place(document, (key,), Finding((), "format/conflict", message))


def _shared(documents: Sequence[Document]) -> dict[str, Document]:
    shared: dict[str, Document] = {}
    for document in documents:
        given = document.value(ROOT, ("_plugin_configs",))
        for name in given if isinstance(given, dict) else ():
            shared.setdefault(name, document)
    return shared
