"""What all authentication plugins have in common: how they refuse, and what ``anonymous`` means.

Without ``anonymous`` a plugin always authenticates and a failure ends the request, so several plugins mean
AND. With it, a plugin lets a request pass that an earlier plugin has identified, and makes any other that
fails the anonymous consumer's, so several plugins mean OR. ``anonymous_on: missing`` (not in Kong) keeps
refusing those whose credentials are wrong: only who shows none at all is anonymous.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.reply import Reply

# None: identified. A reply ends the request. Only who has to ask elsewhere waits.
Outcome = Reply | Awaitable[Reply | None] | None
# Identifies who sent a request, or refuses.
Authenticate = Callable[[Context], Outcome]


def challenge(scheme: str, realm: str | None) -> tuple[tuple[str, str], ...]:
    """Return the WWW-Authenticate header of a scheme."""
    return (("WWW-Authenticate", f'{scheme} realm="{realm}"' if realm else scheme),)


class Gate:
    """Runs one plugin's way to authenticate under the rules of AND and OR.

    ``has_credentials`` says whether a request that failed carried any of the plugin's kind; it is only asked
    when ``anonymous_on`` is ``missing``.
    """

    __slots__ = ("_anonymous", "_consumer_by_key", "_has_credentials")

    def __init__(
        self,
        anonymous: str | None,
        env: PluginEnv,
        anonymous_on: str | None = None,
        has_credentials: Callable[[Context], bool] | None = None,
    ) -> None:
        self._anonymous = anonymous
        self._consumer_by_key = env.identities.consumer_by_id_or_username
        self._has_credentials = has_credentials if anonymous_on == "missing" else None

    def step(self, authenticate: Authenticate) -> Authenticate:
        """Return the access step: without ``anonymous`` that is authenticating, and nothing else."""
        return authenticate if self._anonymous is None else partial(self.run, authenticate=authenticate)

    def run(self, ctx: Context, authenticate: Authenticate) -> Outcome:
        """Authenticate, or let pass, or turn into the anonymous consumer; a Reply ends the request."""
        if self._anonymous is None:
            return authenticate(ctx)
        if ctx.credential is not None:
            return None
        outcome = authenticate(ctx)
        if outcome is None or isinstance(outcome, Reply):
            return self._settle(ctx, outcome)
        return self._settle_later(ctx, outcome)

    def become_anonymous(self, ctx: Context) -> Reply | None:
        """Continue as the anonymous consumer."""
        consumer = self._consumer_by_key(self._anonymous or "")
        if consumer is None:
            return refuse(ctx, 500, f"anonymous consumer {self._anonymous} is configured but doesn't exist")
        ctx.authenticate(consumer, None)
        return None

    def _settle(self, ctx: Context, refusal: Reply | None) -> Reply | None:
        if refusal is None:
            return None
        if self._has_credentials is not None and self._has_credentials(ctx):
            return refusal
        return self.become_anonymous(ctx)

    async def _settle_later(self, ctx: Context, outcome: Awaitable[Reply | None]) -> Reply | None:
        return self._settle(ctx, await outcome)
