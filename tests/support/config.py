"""Small configurations for end-to-end tests, as text: what a user would write, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml


def service(
    address: str, at: str = "/", /, *, route: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return a service at an address with one route at a path; ``route`` adds fields to the route."""
    host, port = address.rsplit(":", 1)
    return {
        "name": fields.pop("name", f"service-{at.strip('/') or 'root'}"),
        "host": host,
        "port": int(port),
        **fields,
        "routes": [{"name": f"route-{at.strip('/') or 'root'}", "paths": [at], **(route or {})}],
    }


def document(*services: dict[str, Any], version: str = "3.0", **entities: list[dict[str, Any]]) -> str:
    """Return a configuration file of these services and whatever other lists of entities."""
    return yaml.safe_dump({"_format_version": version, "services": list(services), **entities})


def write(folder: Path, *services: dict[str, Any], **entities: Any) -> Path:
    """Write a configuration file into the folder."""
    file = folder / "kong.yaml"
    file.write_text(document(*services, **entities))
    return file


def parse_json(body: bytes) -> Any:
    """Parse a body, naming it when it is not JSON."""
    try:
        return json.loads(body)
    except ValueError as error:
        error.add_note(repr(body))
        raise
