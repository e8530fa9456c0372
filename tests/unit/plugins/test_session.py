"""session, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import session
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
)

ALICE = make_consumer("c1", "alice", "a-1")
KEY = make_credential("k1", "keyauth_credentials", "c1", key="k")
DEFAULTS: dict[str, Any] = {
    "secret": "s3cret",
    "storage": "cookie",
    "audience": "default",
    "idling_timeout": 900,
    "rolling_timeout": 3600,
    "absolute_timeout": 86400,
    "stale_ttl": 10,
    "cookie_name": "session",
    "cookie_path": "/",
    "cookie_same_site": "Strict",
    "cookie_http_only": True,
    "cookie_secure": True,
    "remember": False,
    "remember_cookie_name": "remember",
    "remember_rolling_timeout": 604800,
    "remember_absolute_timeout": 2592000,
    "read_body_for_logout": False,
    "logout_methods": ["POST", "DELETE"],
    "logout_query_arg": "session_logout",
    "logout_post_arg": "session_logout",
}


class Browser:
    """Keeps cookies between requests; may log in with an API key."""

    def __init__(self, consumers: Any = (ALICE,), **config: Any) -> None:
        self.host = FakeHost()
        self.handler = make_handler(session, DEFAULTS | config, make_env(self.host, consumers=consumers))
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def ask(
        self, *, logs_in: bool = False, credential: Any = KEY, groups: Any = None, **request: Any
    ) -> tuple[int, FakeContext]:
        headers = [("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))]
        ctx = FakeContext(headers=[*headers, *request.pop("headers", [])], **request)
        reply = self.handler.access(ctx)
        if logs_in:
            ctx.authenticate(ALICE, credential)
            ctx.shared["authenticated_groups"] = groups
        ctx.respond_with(reply) if reply else ctx.respond()
        self.handler.header_filter(ctx)
        self.set_cookies = ctx.response.headers.get_all("Set-Cookie")
        for line in self.set_cookies:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return (reply.status if reply else 0), ctx


def test_a_login_starts_a_session_that_then_identifies() -> None:
    browser = Browser()
    browser.ask(logs_in=True, groups=["admin", "dev"])
    (line,) = browser.set_cookies
    assert line == f"session={browser.cookies['session']}; Path=/; SameSite=Strict; Secure; HttpOnly"

    _, ctx = browser.ask(headers=[("X-Anonymous-Consumer", "true")])

    assert (ctx.consumer, ctx.credential and ctx.credential.id) == (ALICE, "k1")
    assert dict(ctx.upstream.headers.items()) == {
        "Cookie": f"session={browser.cookies['session']}",
        "X-Consumer-ID": "c1",
        "X-Consumer-Username": "alice",
        "X-Consumer-Custom-ID": "a-1",
        "X-Credential-Identifier": "k1",
        "X-Authenticated-Groups": "admin, dev",
    }
    assert ctx.shared["authenticated_groups"] == ["admin", "dev"]
    assert browser.set_cookies == []


def test_without_login_there_is_no_session() -> None:
    browser = Browser()
    _, ctx = browser.ask()

    assert (ctx.consumer, browser.set_cookies) == (None, [])


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "session",
        "session=",
        "session=x",
        "session=!!!",
        "session=\xe4\xf6",
        "session=" + "A" * 10_000,
        "session=" + "A" * 200,
        ";;=;session==",
    ],
)
def test_a_cookie_that_is_none_of_ours_is_nobodys(cookie: str) -> None:
    browser = Browser(remember=True)
    status, ctx = browser.ask(headers=[("Cookie", cookie), ("Cookie", cookie.replace("session", "remember"))])

    assert (status, ctx.consumer, browser.set_cookies) == (0, None, [])


def test_a_cookie_that_was_changed_or_moved_is_nobodys() -> None:
    browser = Browser(remember=True)
    browser.ask(logs_in=True)
    text, moved = browser.cookies["session"], browser.cookies["remember"]
    changed = text[:30] + ("A" if text[30] != "A" else "B") + text[31:]

    for value in (changed, text[:-4], text + "AAAA", moved):
        browser.cookies = {"session": value}
        assert browser.ask()[1].consumer is None


def test_a_credential_without_consumer_gets_none() -> None:
    browser = Browser()
    ctx = FakeContext()
    ctx.authenticate(None, KEY)
    ctx.respond()
    browser.handler.header_filter(ctx)

    assert ctx.response.headers.items() == []


def test_a_credential_without_id_counts_as_the_consumers() -> None:
    browser = Browser()
    nameless = make_credential("", "keyauth_credentials", "c1", key="k")
    browser.ask(logs_in=True, credential=nameless)
    _, ctx = browser.ask(logs_in=True, credential=nameless)

    assert browser.set_cookies == []
    _, ctx = browser.ask()
    assert ctx.credential is not None
    assert (ctx.credential.id, ctx.credential.consumer) == ("c1", "c1")


def test_another_login_replaces_the_session() -> None:
    browser = Browser()
    browser.ask(logs_in=True)
    first = browser.cookies["session"]
    browser.ask(logs_in=True, credential=make_credential("k2", "keyauth_credentials", "c1", key="k2"))

    assert browser.cookies["session"] != first
    _, ctx = browser.ask()
    assert ctx.upstream.headers.get("X-Credential-Identifier") == "k2"


def test_the_anonymous_consumer_gets_none() -> None:
    browser = Browser()
    ctx = FakeContext()
    ctx.authenticate(ALICE, None)
    ctx.respond()
    browser.handler.header_filter(ctx)

    assert ctx.response.headers.items() == []


def test_a_login_as_the_same_again_changes_nothing() -> None:
    browser = Browser()
    browser.ask(logs_in=True)
    browser.ask(logs_in=True)

    assert browser.set_cookies == []


def test_forged_groups_do_not_reach_the_target() -> None:
    browser = Browser()
    browser.ask(logs_in=True)
    _, ctx = browser.ask(headers=[("X-Authenticated-Groups", "admin")])

    assert ctx.upstream.headers.get("X-Authenticated-Groups") is None


@pytest.mark.parametrize(
    ("config", "attributes"),
    [
        ({"cookie_same_site": "Default", "cookie_secure": False}, "Path=/; HttpOnly"),
        (
            {"cookie_domain": "a.test", "cookie_path": "/x", "cookie_same_site": "None"},
            "Path=/x; Domain=a.test; SameSite=None; Secure; HttpOnly",
        ),
        ({"cookie_http_only": False, "cookie_same_site": "Lax"}, "Path=/; SameSite=Lax; Secure"),
    ],
)
def test_cookie_attributes(config: dict[str, Any], attributes: str) -> None:
    browser = Browser(cookie_name="sid", **config)
    browser.ask(logs_in=True)

    assert browser.set_cookies == [f"sid={browser.cookies['sid']}; {attributes}"]


@pytest.mark.parametrize(
    ("config", "steps", "is_known"),
    [
        ({}, [899], True),
        ({}, [901], False),
        ({}, [800, 800, 800, 800, 800], True),
        ({"idling_timeout": 0}, [3600], True),
        ({"idling_timeout": 0}, [3601], False),
        ({"idling_timeout": 0}, [3000, 3000, 3000], True),
        ({"idling_timeout": 0, "rolling_timeout": 0}, [86400], True),
        ({"idling_timeout": 0, "rolling_timeout": 0}, [86401], False),
        ({"absolute_timeout": 1000}, [500, 501], False),
        ({"idling_timeout": 0, "rolling_timeout": 0, "absolute_timeout": 0}, [10**9], True),
    ],
)
def test_times(config: dict[str, Any], steps: list[int], is_known: bool) -> None:
    browser = Browser(**config)
    browser.ask(logs_in=True)
    for step in steps:
        browser.host.clock += step
        _, ctx = browser.ask()

    assert (ctx.consumer is not None) is is_known


@pytest.mark.parametrize(("seconds", "is_new"), [(59, False), (61, True)])
def test_a_session_is_marked_as_seen_at_most_once_a_minute(seconds: int, is_new: bool) -> None:
    browser = Browser()
    browser.ask(logs_in=True)
    browser.host.clock += seconds
    browser.ask()

    assert (len(browser.set_cookies) == 1) is is_new


def test_remember() -> None:
    browser = Browser(remember=True)
    browser.ask(logs_in=True)
    assert browser.set_cookies[1].endswith(
        "; Path=/; SameSite=Strict; Secure; HttpOnly; Expires=Tue, 21 Nov 2023 22:13:20 GMT; Max-Age=604800"
    )
    browser.host.clock += 500_000
    _, ctx = browser.ask()
    assert ctx.consumer == ALICE
    assert [line.partition("=")[0] for line in browser.set_cookies] == ["session", "remember"]

    browser.host.clock += 700_000
    assert browser.ask()[1].consumer is None


def test_remember_ends_after_its_absolute_time() -> None:
    browser = Browser(remember=True, remember_absolute_timeout=1_000_000)
    browser.ask(logs_in=True)
    for step, is_known in ((500_000, True), (500_000, True), (1, False)):
        browser.host.clock += step
        browser.cookies.pop("session", None)
        assert (browser.ask()[1].consumer is not None) is is_known


def test_a_remember_cookie_counts_only_where_it_is_wanted() -> None:
    browser = Browser(remember=True, remember_cookie_name="stay")
    browser.ask(logs_in=True)
    forgetful = Browser(remember_cookie_name="stay")
    forgetful.cookies = {"stay": browser.cookies["stay"]}

    assert forgetful.ask()[1].consumer is None


@pytest.mark.parametrize(
    ("config", "request_facts", "is_out"),
    [
        ({}, {"method": "POST", "target": "/?session_logout=1"}, True),
        ({}, {"method": "DELETE", "target": "/?session_logout"}, True),
        ({}, {"method": "GET", "target": "/?session_logout=1"}, False),
        ({"logout_methods": ["GET"]}, {"target": "/?session_logout=1"}, True),
        ({"logout_query_arg": "bye"}, {"method": "POST", "target": "/?bye"}, True),
        ({}, {"method": "POST", "body": b"session_logout=1"}, False),
        ({"read_body_for_logout": True}, {"method": "POST", "body": b"session_logout=1"}, True),
        ({"read_body_for_logout": True}, {"method": "DELETE", "body": b"session_logout"}, True),
        ({"read_body_for_logout": True}, {"method": "POST", "target": "/?session_logout=1"}, True),
        (
            {"read_body_for_logout": True, "logout_post_arg": "bye"},
            {"method": "POST", "body": b"a=1&bye=1"},
            True,
        ),
        (
            {"read_body_for_logout": True, "logout_post_arg": "bye"},
            {"method": "POST", "body": b"session_logout=1"},
            False,
        ),
        ({"logout_query_arg": "bye"}, {"method": "POST", "target": "/?session_logout=1"}, False),
        ({"logout_methods": []}, {"method": "POST", "target": "/?session_logout=1"}, False),
        ({}, {"method": "PUT", "target": "/?session_logout=1"}, False),
        ({"read_body_for_logout": True}, {"method": "POST", "body": b"x=1"}, False),
        ({"read_body_for_logout": True, "logout_methods": ["GET"]}, {"body": b"session_logout=1"}, False),
    ],
)
def test_logout(config: dict[str, Any], request_facts: dict[str, Any], is_out: bool) -> None:
    browser = Browser(**config)
    browser.ask(logs_in=True)
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    status, _ = browser.ask(headers=form, **request_facts)

    assert status == (200 if is_out else 0)
    assert (browser.ask()[1].consumer is None) is is_out
    if is_out:
        assert "session" not in browser.cookies


@pytest.mark.parametrize(
    ("content_type", "body", "is_out"),
    [
        ("application/json", b'{"session_logout":true}', True),
        ("application/json", b'{"session_logout":false}', False),
        ("application/json", b"{", False),
        ("text/plain", b"session_logout=1", False),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="session_logout"\r\n\r\n1\r\n--B--\r\n',
            True,
        ),
    ],
)
def test_logout_by_a_body_of_each_type(content_type: str, body: bytes, is_out: bool) -> None:
    browser = Browser(read_body_for_logout=True)
    browser.ask(logs_in=True)
    status, _ = browser.ask(headers=[("Content-Type", content_type)], method="POST", body=body)

    assert status == (200 if is_out else 0)


def test_logout_ends_both_cookies() -> None:
    browser = Browser(remember=True)
    browser.ask(logs_in=True)
    _, ctx = browser.ask(method="POST", target="/?session_logout")

    assert [line.partition("=")[0] for line in browser.set_cookies] == ["session", "remember"]
    assert all(line.endswith(EXPIRED) for line in browser.set_cookies)
    assert browser.cookies == {}
    assert ctx.consumer is None


def test_logout_without_a_session_is_a_request_like_any_other() -> None:
    assert Browser().ask(method="POST", target="/?session_logout=1")[0] == 0


EXPIRED = "Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0"


def test_a_consumer_that_is_gone() -> None:
    browser = Browser(consumers=[])
    browser.ask(logs_in=True)
    _, ctx = browser.ask()

    assert ctx.consumer is None
    assert browser.set_cookies == ["session=; Path=/; SameSite=Strict; Secure; HttpOnly; " + EXPIRED]


def test_headers() -> None:
    names = ["id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout", "absolute-timeout"]
    browser = Browser(request_headers=names, response_headers=["subject"])
    _, ctx = browser.ask(logs_in=True)
    assert ctx.response.headers.get("Session-Subject") == "alice"
    browser.host.clock += 10
    _, ctx = browser.ask()
    sent = {name: value for name, value in ctx.upstream.headers.items() if name.startswith("Session-")}

    assert len(sent.pop("Session-Id")) == 43
    assert sent == {
        "Session-Audience": "default",
        "Session-Subject": "alice",
        "Session-Timeout": "890",
        "Session-Idling-Timeout": "890",
        "Session-Rolling-Timeout": "3590",
        "Session-Absolute-Timeout": "86390",
    }


def test_hashed_subject_and_no_limits() -> None:
    limits = {"idling_timeout": 0, "rolling_timeout": 0, "absolute_timeout": 0}
    browser = Browser(hash_subject=True, response_headers=["subject", "timeout"], **limits)
    _, ctx = browser.ask(logs_in=True)

    assert len(ctx.response.headers.get("Session-Subject") or "") == 43
    assert ctx.response.headers.get("Session-Timeout") is None


@pytest.mark.parametrize(
    ("consumer", "subject"),
    [
        (make_consumer("c1", "alice", "a-1"), "alice"),
        (make_consumer("c1", None, "a-1"), "a-1"),
        (make_consumer("c1"), "c1"),
    ],
)
def test_the_subject(consumer: Any, subject: str) -> None:
    browser = Browser(consumers=[consumer], response_headers=["subject"])
    ctx = FakeContext()
    ctx.authenticate(consumer, KEY)
    ctx.respond()
    browser.handler.header_filter(ctx)

    assert ctx.response.headers.get("Session-Subject") == subject


def test_headers_are_only_those_of_a_session() -> None:
    names = ["id", "subject"]
    browser = Browser(request_headers=names, response_headers=names)
    _, ctx = browser.ask()
    assert [name for name, _ in ctx.response.headers.items() if name.startswith("Session-")] == []

    browser.ask(logs_in=True)
    _, ctx = browser.ask()
    assert ctx.response.headers.get("Session-Id") == ctx.upstream.headers.get("Session-Id")


def test_values_that_are_null_have_their_defaults() -> None:
    names = ("cookie_name", "cookie_path", "cookie_same_site", "cookie_http_only", "cookie_secure")
    browser = Browser(**dict.fromkeys(names))
    browser.ask(logs_in=True)

    assert browser.set_cookies == [
        f"session={browser.cookies['session']}; Path=/; SameSite=Strict; Secure; HttpOnly"
    ]


@pytest.mark.parametrize("change", [{"audience": "other"}, {"secret": "other"}, {"secret": None}])
def test_cookies_of_another_configuration(change: dict[str, Any]) -> None:
    browser, other = Browser(), Browser(**change)
    browser.ask(logs_in=True)
    other.cookies = dict(browser.cookies)

    assert other.ask()[1].consumer is None


def test_metadata_has_nowhere_to_go_without_a_store() -> None:
    browser = Browser(store_metadata=True)
    browser.ask(logs_in=True)

    assert browser.ask()[1].consumer == ALICE


def test_without_a_secret_the_node_has_one() -> None:
    browser = Browser(secret=None)
    browser.ask(logs_in=True)

    assert browser.ask()[1].consumer == ALICE


def test_storage_needs_a_database() -> None:
    with pytest.raises(ConfigError) as caught:
        Browser(storage="kong")

    assert caught.value.field == "storage"
