"""Cookies of a request."""

from __future__ import annotations

from dbless_gateway.pdk.context import Context


def request_cookies(ctx: Context) -> dict[str, str]:
    """Return the cookies by name; the first of a name counts, malformed parts are skipped."""
    cookies: dict[str, str] = {}
    for line in ctx.headers.get_all("cookie"):
        for part in line.split(";"):
            name, equals, value = part.partition("=")
            if equals:
                cookies.setdefault(name.strip(), value.strip().strip('"'))
    return cookies
