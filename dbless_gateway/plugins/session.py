"""session: keep somebody logged in with a cookie, so that the credential is needed only once.

Kong's behaviour this follows: https://developer.konghq.com/plugins/session/ (3.9).
Differences: cookies are not those of Kong (nobody else can read either); without ``secret`` they end with
the node; ``stale_ttl`` has no effect, because an old cookie stays valid until its own times are over;
``storage: kong`` needs a database and is refused; ``store_metadata`` is accepted and has nothing to store.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from email.utils import formatdate
from hashlib import sha256

from dbless_gateway.pdk.body import parse_body
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.cookies import request_cookies
from dbless_gateway.pdk.identity import Consumer, Credential
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.sessions import Sealer, Session, new_session_id, preload

NAME = "session"
PRIORITY = 1900

_METHODS_WITH_BODY = frozenset({"DELETE", "PATCH", "POST", "PUT"})

# A session is renewed in the last quarter of its rolling time, and marked as seen at most once a minute: a
# new cookie on each response would defeat every cache.
_RENEWAL_SHARE = 0.75
_SEEN_INTERVAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    secret: str | None
    storage: str | None
    audience: str | None
    idling_timeout: float | None
    rolling_timeout: float | None
    absolute_timeout: float | None
    stale_ttl: float | None
    cookie_name: str | None
    cookie_path: str | None
    cookie_domain: str | None
    cookie_same_site: str | None
    cookie_http_only: bool | None
    cookie_secure: bool | None
    remember: bool | None
    remember_cookie_name: str | None
    remember_rolling_timeout: float | None
    remember_absolute_timeout: float | None
    response_headers: tuple[str, ...] | None
    request_headers: tuple[str, ...] | None
    read_body_for_logout: bool | None
    logout_methods: tuple[str, ...] | None
    logout_query_arg: str | None
    logout_post_arg: str | None
    hash_subject: bool | None
    store_metadata: bool | None


class Handler:
    """Opens the session in access, and starts one in header_filter when somebody has logged in."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        if config.storage == "kong":
            raise ConfigError("storage", "sessions cannot be stored without a database: use cookie")
        self.needs_request_body = bool(config.read_body_for_logout)
        self._config = config
        self._env = env
        self._now = env.host.now
        self._cookie_name = config.cookie_name or "session"
        self._remember_name = config.remember_cookie_name or "remember"
        self._audience = config.audience or "default"
        self._attributes = "".join(f"; {part}" for part in _attributes(config))
        self._sealer = Sealer(config.secret.encode()) if config.secret else None
        preload()

    def access(self, ctx: Context) -> Reply | None:
        """Recognise whoever has a session, or end it."""
        cookies = request_cookies(ctx)
        session = self._open(cookies)
        if session is None:
            return None
        if self._is_logout(ctx):
            self._forget(ctx, cookies)
            return Reply(200)
        consumer = self._env.identities.consumer(session.consumer)
        if consumer is None:
            self._forget(ctx, cookies)
            return None
        ctx.shared["authenticated_session"] = session
        self._keep_alive(ctx, session, cookies)
        self._authenticate(ctx, session, consumer)
        for name, value in self._headers(session, self._config.request_headers):
            ctx.upstream.headers.set(name, value)
        return None

    def header_filter(self, ctx: Context) -> None:
        """Start a session for somebody who has logged in with another plugin."""
        credential, consumer = ctx.credential, ctx.consumer
        session: Session | None = ctx.shared.get("authenticated_session")
        if credential is not None and consumer is not None and not _is_of(session, consumer, credential):
            session = self._start(ctx, consumer, credential)
            for line in self._cookie_lines(session, with_remember=bool(self._config.remember)):
                ctx.response.headers.add("Set-Cookie", line)
        if session is not None:
            for name, value in self._headers(session, self._config.response_headers):
                ctx.response.headers.set(name, value)

    def _open(self, cookies: dict[str, str]) -> Session | None:
        text = cookies.get(self._cookie_name)
        if text is not None:
            session = self._seal().open(text, self._cookie_name)
            if session is not None and self._is_current(session):
                return session
        text = cookies.get(self._remember_name) if self._config.remember else None
        session = self._seal().open(text, self._remember_name) if text is not None else None
        return session if session is not None and self._is_remembered(session) else None

    def _is_current(self, session: Session) -> bool:
        config, now = self._config, self._now()
        return (
            session.audience == self._audience
            and _is_within(config.absolute_timeout, session.created_at, now)
            and _is_within(config.rolling_timeout, session.renewed_at, now)
            and _is_within(config.idling_timeout, session.seen_at, now)
        )

    def _is_remembered(self, session: Session) -> bool:
        config, now = self._config, self._now()
        return (
            session.audience == self._audience
            and _is_within(config.remember_absolute_timeout, session.created_at, now)
            and _is_within(config.remember_rolling_timeout, session.renewed_at, now)
        )

    def _is_logout(self, ctx: Context) -> bool:
        config = self._config
        if ctx.method not in (config.logout_methods or ()):
            return False
        if config.logout_query_arg and ctx.raw_query and config.logout_query_arg in ctx.query_args():
            return True
        if not config.read_body_for_logout or ctx.method not in _METHODS_WITH_BODY:
            return False
        fields = parse_body(ctx.request_body, ctx.headers.get("content-type"))
        return fields is not None and fields.has(config.logout_post_arg or "")

    def _keep_alive(self, ctx: Context, session: Session, cookies: dict[str, str]) -> None:
        """Send a new cookie when the rolling time nears its end, or the session has not been seen for a
        while.
        """
        now = self._now()
        rolling = self._config.rolling_timeout or 0
        idling = self._config.idling_timeout or 0
        is_remembered = not self._is_current(session)
        if is_remembered or (rolling and now - session.renewed_at > rolling * _RENEWAL_SHARE):
            session = session.renewed(now)
        elif idling and now - session.seen_at > min(_SEEN_INTERVAL_S, idling / 2):
            session = session.seen(now)
        else:
            return
        for line in self._cookie_lines(session, with_remember=is_remembered):
            ctx.add_response_header("Set-Cookie", line)

    def _authenticate(self, ctx: Context, session: Session, consumer: Consumer) -> None:
        credential = Credential(
            id=session.credential,
            kind=NAME,
            consumer=consumer.id,
            fields={},
            tags=None,
            created_at=int(session.created_at),
            where=consumer.where,
        )
        ctx.authenticate(consumer, credential)
        if session.groups:
            ctx.shared["authenticated_groups"] = list(session.groups)
            ctx.upstream.headers.set("X-Authenticated-Groups", ", ".join(session.groups))
        else:
            ctx.upstream.headers.remove("X-Authenticated-Groups")

    def _start(self, ctx: Context, consumer: Consumer, credential: Credential) -> Session:
        now = self._now()
        subject = consumer.username or consumer.custom_id or consumer.id
        if self._config.hash_subject:
            subject = urlsafe_b64encode(sha256(subject.encode()).digest()).rstrip(b"=").decode()
        return Session(
            id=new_session_id(),
            audience=self._audience,
            subject=subject,
            consumer=consumer.id,
            credential=_credential_id(consumer, credential),
            groups=tuple(ctx.shared.get("authenticated_groups") or ()),
            created_at=now,
            renewed_at=now,
            seen_at=now,
        )

    def _cookie_lines(self, session: Session, *, with_remember: bool) -> Iterator[str]:
        sealer = self._seal()
        yield f"{self._cookie_name}={sealer.seal(session, self._cookie_name)}{self._attributes}"
        if with_remember:
            lifetime_s = int(self._config.remember_rolling_timeout or 0)
            expires = formatdate(self._now() + lifetime_s, usegmt=True)
            text = sealer.seal(session, self._remember_name)
            yield f"{self._remember_name}={text}{self._attributes}; Expires={expires}; Max-Age={lifetime_s}"

    def _forget(self, ctx: Context, cookies: dict[str, str]) -> None:
        for name in (self._cookie_name, self._remember_name):
            if name in cookies:
                expired = f"{name}={self._attributes}; Expires={formatdate(1, usegmt=True)}; Max-Age=0"
                ctx.add_response_header("Set-Cookie", expired)

    def _headers(self, session: Session, names: tuple[str, ...] | None) -> Iterator[tuple[str, str]]:
        if not names:
            return
        config, now = self._config, self._now()
        left = {
            "idling-timeout": _left(config.idling_timeout, session.seen_at, now),
            "rolling-timeout": _left(config.rolling_timeout, session.renewed_at, now),
            "absolute-timeout": _left(config.absolute_timeout, session.created_at, now),
        }
        limits = [value for value in left.values() if value is not None]
        values: dict[str, str | int | None] = {
            "id": session.id,
            "audience": session.audience,
            "subject": session.subject,
            "timeout": min(limits) if limits else None,
            **left,
        }
        for name in names:
            value = values.get(name)
            if value is not None:
                yield f"Session-{name.title()}", str(value)

    def _seal(self) -> Sealer:
        if self._sealer is None:
            self._sealer = Sealer(self._env.host.secret(f"session:{self._env.plugin_id}"))
        return self._sealer


def _attributes(config: Config) -> Iterator[str]:
    yield f"Path={config.cookie_path or '/'}"
    if config.cookie_domain:
        yield f"Domain={config.cookie_domain}"
    if config.cookie_same_site != "Default":
        yield f"SameSite={config.cookie_same_site or 'Strict'}"
    if config.cookie_secure is not False:
        yield "Secure"
    if config.cookie_http_only is not False:
        yield "HttpOnly"


def _is_of(session: Session | None, consumer: Consumer, credential: Credential) -> bool:
    identity = (consumer.id, _credential_id(consumer, credential))
    return session is not None and (session.consumer, session.credential) == identity


def _credential_id(consumer: Consumer, credential: Credential) -> str:
    """Return what names the credential; one that a plugin made up may have no id of its own."""
    return credential.id or consumer.id


def _is_within(limit_s: float | None, since: float, now: float) -> bool:
    return not limit_s or now - since <= limit_s


def _left(limit_s: float | None, since: float, now: float) -> int | None:
    return max(0, int(since + limit_s - now)) if limit_s else None
