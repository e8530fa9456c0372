"""How a password hash looks in a configuration.

A password of a basic-auth credential that has this form is the hash of the real one and is kept as it is;
anything else is the password itself. Nothing is computed here: ``pdk/passwords.py`` does that.
"""

from __future__ import annotations

import re

# Complete forms only, so that a password which merely begins with a dollar stays a password.
_BASE64 = r"[A-Za-z0-9+/]+"
_HASH = re.compile(
    rf"\$argon2id\$v=19\$m=\d{{1,9}},t=\d{{1,9}},p=\d{{1,9}}\${_BASE64}\${_BASE64}"
    rf"|\$scrypt\$ln=\d{{1,2}},r=\d{{1,9}},p=\d{{1,9}}\${_BASE64}\${_BASE64}"
    r"|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"
)


def is_password_hash(text: str) -> bool:
    """Tell a hash by argon2id, scrypt or bcrypt from a password."""
    return _HASH.fullmatch(text) is not None
