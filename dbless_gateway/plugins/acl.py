"""acl: allow or deny requests by the groups of the consumer.

Kong's behaviour this follows: https://developer.konghq.com/plugins/acl/ (3.8 and later).
Differences: none known.
"""

from __future__ import annotations

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.credential_index import CredentialIndex
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.identity import Consumer, Credential
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply

NAME = "acl"
PRIORITY = 950

# Where session and other plugins leave the groups that they know from elsewhere.
_SHARED_GROUPS = "authenticated_groups"

_CONSUMER_HEADER = "X-Consumer-Groups"
_SHARED_HEADER = "X-Authenticated-Groups"

Groups = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    allow: Groups | None
    deny: Groups | None
    hide_groups_header: bool
    always_use_authenticated_groups: bool


class Handler:
    """Denies by the groups in ``deny``, or allows only those in ``allow``."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._denied = frozenset(config.deny or ())
        self._allowed = frozenset(config.allow or ())
        self._shows_groups = not config.hide_groups_header
        self._prefers_shared = config.always_use_authenticated_groups
        self._groups_of = INDEX.of(env.identities)

    def access(self, ctx: Context) -> Reply | None:
        """Judge the groups of whoever asks."""
        groups, header = self._find_groups(ctx)
        if groups is None:
            return refuse(ctx, 403, "You cannot consume this service") if ctx.credential else refuse(ctx, 401)
        if not self._is_allowed(groups):
            return refuse(ctx, 403, "You cannot consume this service")
        if self._shows_groups:
            ctx.upstream.headers.set(header, ", ".join(groups))
        else:
            # Neither what the client claims nor what session has set.
            ctx.upstream.headers.remove(_CONSUMER_HEADER)
            ctx.upstream.headers.remove(_SHARED_HEADER)
        return None

    def _find_groups(self, ctx: Context) -> tuple[Groups | None, str]:
        """Return the groups that count, None when there are none to judge, and the header that names them."""
        consumer = ctx.consumer
        if consumer is None or ctx.credential is None or self._prefers_shared:
            shared = ctx.shared.get(_SHARED_GROUPS)
            if shared is not None:
                return tuple(shared), _SHARED_HEADER
        if consumer is None:
            return None, ""
        groups = self._groups_of.get(consumer.id)
        return (() if groups is None and self._denied else groups), _CONSUMER_HEADER

    def _is_allowed(self, groups: Groups) -> bool:
        if self._denied:
            return self._denied.isdisjoint(groups)
        return not self._allowed.isdisjoint(groups)


def _add_membership(groups: dict[str, Groups], membership: Credential, consumer: Consumer | None) -> None:
    groups[membership.consumer] = (*groups.get(membership.consumer, ()), membership.fields["group"])


INDEX = CredentialIndex[dict[str, Groups]](NAME, "acls", dict, _add_membership)
