"""A lint of upstreams: health checks that watch and never act."""

from __future__ import annotations

from dbless_gateway.config.drafts import Draft, Finding
from dbless_gateway.config.entities import ActiveUnhealthy, Healthchecks, PassiveUnhealthy
from dbless_gateway.lint.places import Places
from dbless_gateway.lint.subject import Found, Subject

NEVER_EJECTS = "lint/health-never-ejects"

_HTTP_TYPES = frozenset({"http", "https", "grpc", "grpcs"})


def never_ejects(subject: Subject) -> Found:
    """Find upstreams whose file asks for health checks that cannot take any target out."""
    for upstream in subject.entities.upstreams:
        if not _can_eject(upstream.healthchecks):
            yield upstream.where, _if_asked_for


def _if_asked_for(draft: Draft, _: Places) -> Finding | None:
    """Return the finding if the file has health checks at all: by default there are none."""
    section = _asked_for(draft)
    if section is None:
        return None
    message = "these health checks can never eject a target: every limit of failures is 0, which is off"
    suggestion = f"set `healthchecks.{section}.unhealthy.http_failures` to 1 or more"
    return Finding(("healthchecks", section), NEVER_EJECTS, message, suggestion)


def _asked_for(draft: Draft) -> str | None:
    """Return the section of checks that the file itself has, if any."""
    given = draft.document.value(draft.node, ("healthchecks",))
    if not isinstance(given, dict):
        return None
    return next((name for name in ("active", "passive") if given.get(name)), None)


def _can_eject(checks: Healthchecks) -> bool:
    """Tell whether any failure can lead to an ejection.

    Without ``healthy.interval`` a healthy target is not probed at all; the probes of unhealthy ones only
    bring back what passive checks have taken out.
    """
    active, passive = checks.active, checks.passive
    probes = active.healthy.interval > 0 and _counts(active.unhealthy, active.type)
    return probes or _counts(passive.unhealthy, passive.type)


def _counts(limits: ActiveUnhealthy | PassiveUnhealthy, kind: str) -> bool:
    counts_statuses = kind in _HTTP_TYPES and bool(limits.http_statuses)
    return bool(limits.tcp_failures or limits.timeouts or (counts_statuses and limits.http_failures))
