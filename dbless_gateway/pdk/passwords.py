"""Hashes of passwords, made slowly on purpose: argon2id, scrypt and bcrypt.

They are written as those tools write them, argon2id and scrypt in the PHC string format:
``$argon2id$v=19$m=...,t=...,p=...$salt$hash``, ``$scrypt$ln=...,r=...,p=...$salt$hash``, ``$2b$12$...``.
Rules of the file:

1. ``is_right`` takes a tenth of a second, so it never runs on the event loop: ``PasswordChecker`` has
   threads.
2. What a hash may cost is limited when it is read, not when the first client asks.
3. ``bcrypt`` is an optional package and is only imported for a hash of its kind.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING

from dbless_gateway.config.password_hashes import is_password_hash

if TYPE_CHECKING:
    # `validate` loads this module for its checks, and has no event loop.
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["HASHERS", "Overloaded", "PasswordChecker", "fault_of", "is_password_hash", "is_right"]

# OWASP's recommendations for interactive logins: about 50 ms on one core each.
_ARGON2_MEMORY_KIB, _ARGON2_ITERATIONS, _ARGON2_LANES = 19456, 2, 1
_SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P = 15, 8, 3
_BCRYPT_COST = 12
_SALT_BYTES = 16
_HASH_BYTES = 32
# bcrypt reads no more of a password.
_BCRYPT_BYTES = 72

# One verification must not take the memory or the core of a gateway: a typing error in a cost does that.
_MAX_MEMORY_BYTES = 256 << 20
_MAX_PASSES = 64
_MAX_BCRYPT_COST = 16

# Per worker. Verifications wait for a thread, and beyond the limit they are not even begun.
_THREADS = 2
_MAX_WAITING = 128
# A password that was right is right for this long without being hashed again.
_REMEMBERED_S = 60.0
_REMEMBERED_PASSWORDS = 10_000


class Overloaded(Exception):
    """More passwords wait for their verification than this worker can get through."""


def fault_of(hashed: str) -> str | None:
    """Return why a hash cannot be used; None when it can."""
    if hashed.startswith("$2"):
        if importlib.util.find_spec("bcrypt") is None:
            return "needs the package bcrypt (pip install 'dbless-gateway[bcrypt]')"
        return None if int(hashed[4:6]) <= _MAX_BCRYPT_COST else f"has a cost above {_MAX_BCRYPT_COST}"
    costs = _costs(hashed)
    if hashed.startswith("$scrypt$"):
        memory_bytes, passes = 128 * costs["r"] << costs["ln"], costs["p"]
    else:
        memory_bytes, passes = costs["m"] * 1024, costs["t"]
    if memory_bytes > _MAX_MEMORY_BYTES or costs["p"] > _MAX_PASSES:
        return f"takes more than {_MAX_MEMORY_BYTES >> 20} MiB to verify"
    if passes > _MAX_PASSES or 0 in costs.values():
        return "has costs that cannot be used"
    return None


def is_right(password: bytes, hashed: str) -> bool:
    """Tell whether a hash was made from this password; slow. What is wrong with the hash makes it False."""
    try:
        if hashed.startswith("$2"):
            return _is_right_bcrypt(password, hashed)
        return (_is_right_scrypt if hashed.startswith("$scrypt$") else _is_right_argon2)(password, hashed)
    except (ValueError, MemoryError):
        return False


class PasswordChecker:
    """Verifies passwords in threads of its own, and remembers for a while which were right."""

    def __init__(self, key: bytes, clock_s: Callable[[], float]) -> None:
        self._key = key
        self._clock_s = clock_s
        self._right_until: dict[bytes, float] = {}
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def knows(self, password: bytes, hashed: str) -> bool:
        """Tell whether this password was found right a short time ago."""
        until = self._right_until.get(self._digest(password, hashed))
        return until is not None and self._clock_s() < until

    async def check(self, password: bytes, hashed: str) -> bool:
        """Verify a password; raises ``Overloaded``. The same question is computed once at a time."""
        import asyncio

        digest = self._digest(password, hashed)
        running = self._running.get(digest)
        if running is None:
            if len(self._running) >= _MAX_WAITING:
                raise Overloaded
            running = asyncio.get_running_loop().run_in_executor(self._pool(), is_right, password, hashed)
            self._running[digest] = running
            running.add_done_callback(lambda done: self._keep(digest, done))
        # A client that goes away must not take the answer from others who wait for it.
        return await asyncio.shield(running)

    def close(self) -> None:
        """End the threads when they have done what requests wait for; a further question makes new ones."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    def _digest(self, password: bytes, hashed: str) -> bytes:
        # Keyed: what stands in memory is of no use elsewhere. A hash has no NUL, so parts cannot be mixed up.
        return blake2b(hashed.encode() + b"\0" + password, key=self._key, digest_size=16).digest()

    def _keep(self, digest: bytes, done: asyncio.Future[bool]) -> None:
        self._running.pop(digest, None)
        if not done.cancelled() and done.exception() is None and done.result():
            if len(self._right_until) >= _REMEMBERED_PASSWORDS:
                self._right_until.clear()
            self._right_until[digest] = self._clock_s() + _REMEMBERED_S

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        return self._threads


def _hash_argon2(password: bytes) -> str:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    made = Argon2id(
        salt=secrets.token_bytes(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=_ARGON2_ITERATIONS,
        lanes=_ARGON2_LANES,
        memory_cost=_ARGON2_MEMORY_KIB,
    )
    return made.derive_phc_encoded(password)


def _is_right_argon2(password: bytes, hashed: str) -> bool:
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(password, hashed)
    except InvalidKey:
        return False
    return True


def _hash_scrypt(password: bytes) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    hashed = _scrypt(password, salt, _HASH_BYTES, ln=_SCRYPT_LOG_N, r=_SCRYPT_R, p=_SCRYPT_P)
    return f"$scrypt$ln={_SCRYPT_LOG_N},r={_SCRYPT_R},p={_SCRYPT_P}${_encode(salt)}${_encode(hashed)}"


def _is_right_scrypt(password: bytes, hashed: str) -> bool:
    salt, expected = map(_decode, hashed.split("$")[3:])
    return compare_digest(_scrypt(password, salt, len(expected), **_costs(hashed)), expected)


def _scrypt(password: bytes, salt: bytes, length: int, *, ln: int, r: int, p: int) -> bytes:
    # OpenSSL wants room for a little more than the 128 * r * n bytes of the algorithm.
    memory_bytes = (128 * r << ln) + 128 * r * (p + 2)
    return hashlib.scrypt(password, salt=salt, n=1 << ln, r=r, p=p, dklen=length, maxmem=memory_bytes)


def _hash_bcrypt(password: bytes) -> str:
    import bcrypt

    if len(password) > _BCRYPT_BYTES:
        raise ValueError(f"bcrypt takes at most {_BCRYPT_BYTES} bytes")
    return bcrypt.hashpw(password, bcrypt.gensalt(_BCRYPT_COST)).decode()


def _is_right_bcrypt(password: bytes, hashed: str) -> bool:
    import bcrypt

    return len(password) <= _BCRYPT_BYTES and bcrypt.checkpw(password, hashed.encode())


def _costs(hashed: str) -> dict[str, int]:
    """Return the parameters of a PHC string."""
    part = hashed.split("$")[-3]
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", part)}


def _encode(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


# What makes a new hash, by algorithm.
HASHERS: dict[str, Callable[[bytes], str]] = {
    "argon2id": _hash_argon2,
    "scrypt": _hash_scrypt,
    "bcrypt": _hash_bcrypt,
}
