"""JSON Web Tokens: where a request carries them, what one says, and whether its time has come.

The part of jwt that runs for each request, in a module of its own because it is compiled. Nothing here verifies:
until a signature is checked, what a token says is only what a client says.
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64
from typing import Any, Final

import orjson

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.cookies import request_cookies
from dbless_gateway.pdk.signatures import ALGORITHMS

# As in Kong not anchored.
_BEARER: Final = re.compile(r"[Bb]earer\s+(.+)")
_PLAIN_BEARERS: Final = ("Bearer ", "bearer ")

# Issuers write few different headers, and short ones. What clients make up only pushes others out.
_MAX_HEADERS: Final = 64
_LONGEST_HEADER: Final = 256

_PADDING: Final = ("", "===", "==", "=")  # by the length modulo 4


class Refused(Exception):
    """A token is not good enough; carries the body of the answer."""

    def __init__(self, body: dict[str, str] | str) -> None:
        super().__init__(body)
        self.body = {"message": body} if isinstance(body, str) else body


class Token:
    """A token taken apart; ``header`` may be shared with other tokens."""

    __slots__ = ("algorithm", "claims", "header", "signature", "signed")

    def __init__(
        self, header: dict[str, Any], algorithm: str, claims: dict[str, Any], signed: bytes, signature: bytes
    ) -> None:
        self.header = header
        self.algorithm = algorithm
        self.claims = claims
        self.signed = signed
        self.signature = signature


class TokenPlaces:
    """Looks for tokens in query, cookies and headers."""

    __slots__ = ("_cookies", "_headers", "_parameters")

    def __init__(
        self, parameters: tuple[str, ...], cookies: tuple[str, ...], headers: tuple[str, ...]
    ) -> None:
        self._parameters = parameters
        self._cookies = cookies
        self._headers = headers

    def find(self, ctx: Context) -> set[str]:
        """Return the different tokens of a request."""
        found: set[str] = set()
        if self._parameters and ctx.raw_query:
            args = ctx.query_args()
            for name in self._parameters:
                found.update(value for value in args.get(name, ()) if isinstance(value, str) and value)
        if self._cookies:
            cookies = request_cookies(ctx)
            for name in self._cookies:
                cookie = cookies.get(name)
                if cookie:
                    found.add(cookie)
        for name in self._headers:
            line = ctx.headers.get(name)
            token = bearer_token(line) if line else None
            if token is not None:
                found.add(token)
        return found

    def has_any(self, ctx: Context) -> bool:
        """Tell whether there is a token, whatever it is worth."""
        return bool(self.find(ctx))


class Decoder:
    """Takes tokens apart, and remembers the headers that it has seen."""

    __slots__ = ("_headers",)

    def __init__(self) -> None:
        self._headers: dict[str, tuple[dict[str, Any], str]] = {}

    def decode(self, text: str) -> Token:
        """Return the parts of a token; raises ``Refused`` when it is none."""
        parts = text.split(".", 2)
        if len(parts) < 3:
            raise Refused("Bad token; invalid JSON")
        first, second, third = parts
        known = self._headers.get(first)
        header = known[0] if known is not None else _decode_json(first)
        claims = _decode_json(second)
        algorithm = known[1] if known is not None else self._judge_header(first, header)
        if not isinstance(claims, dict):
            raise Refused("Bad token; invalid claims")
        signature = _decode_base64(third)
        if not signature:
            raise Refused("Bad token; invalid signature")
        return Token(
            header, algorithm, claims, text[: len(first) + 1 + len(second)].encode("ascii"), signature
        )

    def _judge_header(self, text: str, header: Any) -> str:
        """Return the algorithm that a header names."""
        if not isinstance(header, dict):
            raise Refused("Bad token; invalid JSON")
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise Refused("Bad token; invalid alg")
        if len(text) <= _LONGEST_HEADER:
            if len(self._headers) >= _MAX_HEADERS:
                self._headers.clear()
            self._headers[text] = (header, algorithm)
        return algorithm


class Times:
    """The rules about when a token begins and ends."""

    __slots__ = ("_longest_s",)

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s

    def check(self, claims: dict[str, Any], names: tuple[str, ...], now: float) -> None:
        """Judge the claims of these names, ``exp`` and ``nbf``; raises ``Refused``."""
        faults: dict[str, str] = {}
        for name in names:
            value = claims.get(name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                faults[name] = "must be a number"
            elif name == "exp" and value <= now:
                faults[name] = "token expired"
            elif name == "nbf" and value > now:
                faults[name] = "token not valid yet"
        if faults:
            raise Refused(faults)
        if self._longest_s > 0:
            value = claims.get("exp")
            # The sum, not the difference: an integer may be too large for that.
            if not isinstance(value, int | float) or value > now + self._longest_s:
                raise Refused({"exp": "exceeds maximum allowed expiration"})


def bearer_token(line: str) -> str | None:
    """Return what stands behind the scheme in a header's value."""
    # What nearly every client sends needs no search.
    if line.startswith(_PLAIN_BEARERS) and len(line) > 7 and not line[7].isspace():
        return line[7:]
    found = _BEARER.search(line)
    return found[1] if found is not None else None


def key_of(token: Token, claim: str) -> str:
    """Return what names the key of a token: a claim, else a member of its header."""
    key = token.claims.get(claim)
    if key is None or key is False:
        key = token.header.get(claim)
    if key is None or key is False:
        raise Refused(f"No mandatory '{claim}' in claims")
    if key == "":
        raise Refused(f"Invalid '{claim}' in claims")
    return str(key)


def _decode_json(part: str) -> Any:
    raw = _decode_base64(part) or b""
    try:
        return orjson.loads(raw)
    except ValueError:
        pass
    # Some issuers cut names within a character: orjson refuses what is left of it, and a few more oddities.
    try:
        return json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refused("Bad token; invalid JSON") from None


def _refuse_constant(name: str) -> None:
    # NaN is no JSON, and it would be neither expired nor not yet valid.
    raise ValueError(name)


def _decode_base64(part: str) -> bytes | None:
    text = part.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(text + _PADDING[len(text) & 3], strict_mode=True)
    except ValueError:
        return None
