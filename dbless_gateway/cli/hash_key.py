"""dbless-gateway hash-key: turn an API key or a password into what may stand in a configuration file.

The secret comes from the terminal without being shown, from a pipe, or is made here; never from an argument,
which other users of the machine and the shell's history could see. Only the hash goes to standard output, so
that ``$(...)`` works.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from getpass import getpass
from hashlib import sha256

# 32 random bytes need no slow hash: nobody can try them all.
_KEY_BYTES = 32
# A fast hash of a shorter one could be undone by trying.
_SHORTEST_KEY = 20


def main(argv: list[str]) -> int:
    """Print the hash of a secret."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway hash-key",
        description="Hash an API key for keyauth_credentials, or a password for basicauth_credentials."
        " It is asked for, or read from the first line of standard input.",
    )
    parser.add_argument(
        "-a",
        "--algorithm",
        choices=("sha256", "argon2id", "scrypt", "bcrypt"),
        default="sha256",
        help="sha256 (default) is for API keys, all others are for passwords",
    )
    parser.add_argument(
        "--generate", action="store_true", help="make a new random secret, shown on standard error"
    )
    arguments = parser.parse_args(argv)
    secret = _generated() if arguments.generate else _read_secret()
    if not secret:
        print("there is no key to hash", file=sys.stderr)
        return 1
    if arguments.algorithm == "sha256":
        print(_hash_key(secret))
        return 0
    return _print_password_hash(secret, arguments.algorithm)


def _generated() -> str:
    secret = secrets.token_urlsafe(_KEY_BYTES)
    print(f"the new secret, shown this once: {secret}", file=sys.stderr)
    return secret


def _read_secret() -> str:
    if sys.stdin.isatty():
        return getpass("secret: ")
    return sys.stdin.readline().rstrip("\r\n")


def _hash_key(key: str) -> str:
    if len(key) < _SHORTEST_KEY:
        print(
            f"warning: a key of fewer than {_SHORTEST_KEY} characters can be found from its hash by trying;"
            " --generate makes a better one",
            file=sys.stderr,
        )
    return f"sha256:{sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _print_password_hash(password: str, algorithm: str) -> int:
    # The other way of this command needs none of it.
    from dbless_gateway.pdk.passwords import HASHERS

    try:
        print(HASHERS[algorithm](password.encode("utf-8", "surrogateescape")))
    except ImportError as error:
        print(f"{algorithm} needs a package that is not installed: {error.name}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
