"""What all authentication plugins have in common: how they refuse, and what ``anonymous`` means.

Without ``anonymous`` a plugin always authenticates and a failure ends the request, so several plugins mean
AND. With it, a plugin lets a request pass that an earlier plugin has identified, and makes any other that
fails the anonymous consumer's, so several plugins mean OR.
"""

from __future__ import annotations

from collections.abc import Callable

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.reply import Reply


def challenge(scheme: str, realm: str | None) -> tuple[tuple[str, str], ...]:
    """Return the WWW-Authenticate header of a scheme."""
    return (("WWW-Authenticate", f'{scheme} realm="{realm}"' if realm else scheme),)


class Gate:
    """Runs one plugin's way to authenticate under the rules of AND and OR."""

    __slots__ = ("_anonymous", "_consumer_by_key")

    def __init__(self, anonymous: str | None, env: PluginEnv) -> None:
        self._anonymous = anonymous
        self._consumer_by_key = env.identities.consumer_by_id_or_username

    def run(self, ctx: Context, authenticate: Callable[[Context], Reply | None]) -> Reply | None:
        """Authenticate, or let pass, or turn into the anonymous consumer; a Reply ends the request."""
        if self._anonymous is None:
            return authenticate(ctx)
        if ctx.credential is not None or authenticate(ctx) is None:
            return None
        return self.become_anonymous(ctx)

    def become_anonymous(self, ctx: Context) -> Reply | None:
        """Continue as the anonymous consumer."""
        consumer = self._consumer_by_key(self._anonymous or "")
        if consumer is None:
            return refuse(ctx, 500, f"anonymous consumer {self._anonymous} is configured but doesn't exist")
        ctx.authenticate(consumer, None)
        return None
