"""dbless-gateway doctor: what of this machine could keep a gateway with these settings from serving well.

Looks at what start would use and changes nothing: settings, files and whether their changes can be seen,
limits, addresses, names. Exit codes: 0 nothing stands in the way, 1 something does, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dbless_gateway.cli.setting_flags import add_setting_flags, settings_of
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.runtime.dns_lookup import Lookup
from dbless_gateway.runtime.peer import split_port
from dbless_gateway.server.dns import resolver_options
from dbless_gateway.server.listeners import ListenError, bind_all
from dbless_gateway.server.options import ServerSettings, SettingsResult
from dbless_gateway.server.watchability import read_mounts, visibility
from dbless_gateway.server.watcher import watched_folders
from dbless_gateway.snapshot.foreign_plugins import prepare

EXIT_OBSTACLES = 1

# Two descriptors for each request under way, and idle connections beside them: what fits below this is soon
# used up.
FILES_MIN = 8192
# Names that are asked for; a configuration with more has its own ways to find out.
NAMES_MAX = 200
_LEVELS = {"ok": "ok  ", "note": "note", "fail": "FAIL"}
_INOTIFY_WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


class Finding(NamedTuple):
    """One line of the report."""

    level: str  # "ok", "note" or "fail"
    subject: str
    text: str


def main(argv: list[str]) -> int:
    """Examine and print."""
    arguments = _parser().parse_args(argv)
    failed = False
    for finding in examine(settings_of(arguments)):
        print(f"{_LEVELS[finding.level]}  {finding.subject}: {finding.text}")
        sys.stdout.flush()
        failed = failed or finding.level == "fail"
    return EXIT_OBSTACLES if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dbless-gateway doctor",
        description="Tell what could keep a gateway with these settings from serving well here.",
        epilog="It takes the flags of start, and reads the same KONG_* variables.",
    )
    add_setting_flags(parser)
    return parser


def examine(result: SettingsResult) -> Iterator[Finding]:
    """Yield what is found, in the order in which start would meet it."""
    yield from (Finding("fail", "settings", error) for error in result.errors)
    yield from (Finding("note", "settings", warning) for warning in result.warnings)
    if result.settings is None:
        return
    yield from _watching(result.settings)
    yield _file_limit()
    yield from _addresses(result.settings)
    entities = None
    for finding in _configuration(result.settings):
        if isinstance(finding, Finding):
            yield finding
        else:
            entities = finding
    if entities is not None:
        yield from asyncio.run(_names(result.settings, entities))


def _watching(settings: ServerSettings) -> Iterator[Finding]:
    if not settings.watch:
        yield Finding("note", "watching", "off: changes need a reload or SIGHUP")
        return
    mounts = read_mounts()
    for file in settings.files:
        level, text = visibility(file, mounts)
        yield Finding(level, file, text)
    folders = len(watched_folders(settings.files))
    limit = _number_in(_INOTIFY_WATCHES)
    if limit is not None and folders > limit:
        yield Finding("fail", "watching", f"{folders} folders, but fs.inotify.max_user_watches is {limit}")


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _file_limit() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    if soft == resource.RLIM_INFINITY or soft >= FILES_MIN:
        return Finding("ok", "open files", f"{shown} in each process")
    return Finding(
        "note", "open files", f"{shown} in each process is little (hard limit {hard}): each request takes two"
    )


def _addresses(settings: ServerSettings) -> Iterator[Finding]:
    listens = (*settings.proxy_listens, *settings.admin_listens, *settings.status_listens)
    for listen in listens:
        if listen.path is not None:
            continue  # Binding would leave a socket behind.
        try:
            for listener in bind_all([listen], 1):
                listener.close()
        except ListenError as error:
            yield Finding("fail", "address", str(error))
        else:
            yield Finding("ok", "address", f"{listen} is free")


def _configuration(settings: ServerSettings) -> Iterator[Finding | Entities]:
    """Yield findings, and the entities if there are any."""
    sources = [Source(name) for name in settings.files]
    if settings.inline is not None:
        sources = [Source("KONG_DECLARATIVE_CONFIG_STRING", settings.inline)]
    options = LoadOptions(
        expand_env=settings.expand_env,
        router_flavor=settings.proxy.router_flavor,
        plugins=prepare(settings.plugins),
    )
    loaded = load(sources, options)
    errors = [problem for problem in loaded.problems if problem.severity == "error"]
    if loaded.entities is None:
        count = "a mistake" if len(errors) == 1 else f"{len(errors)} mistakes"
        yield Finding("fail", "configuration", f"{count}; dbless-gateway validate tells what and where")
        return
    yield Finding("ok", "configuration", f"{len(loaded.entities.routes)} routes; {loaded.entities.hash}")
    yield loaded.entities


async def _names(settings: ServerSettings, entities: Entities) -> list[Finding]:
    """Ask for each name that a service or target has."""
    names = _names_of(entities)
    lookup = Lookup(resolver_options(settings.dns))
    found = [Finding("note", "names", f"only the first {NAMES_MAX} of {len(names)} are asked for")]
    found = found if len(names) > NAMES_MAX else []
    answers = await asyncio.gather(*(lookup.resolve(name, None) for name in names[:NAMES_MAX]))
    for name, answer in zip(names, answers, strict=False):
        if answer.error is not None:
            found.append(Finding("fail", "name", f"{name} does not resolve: {answer.error}"))
        else:
            addresses = ", ".join(record.ip for record in answer.records)
            found.append(Finding("ok", "name", f"{name} is {addresses}"))
    return found


def _names_of(entities: Entities) -> list[str]:
    upstreams = {upstream.name for upstream in entities.upstreams}
    hosts = {service.host for service in entities.services} - upstreams
    hosts |= {split_port(target.target)[0] for target in entities.targets}
    return sorted(host for host in hosts if host and not _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
