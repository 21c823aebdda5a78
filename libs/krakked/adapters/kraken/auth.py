"""API keys and the venue's signature.

A secret enters :class:`Credentials` and never leaves it: not by ``repr``, not in an error, not in a
log. ``API-Sign`` is HMAC-SHA512, keyed with the decoded secret, over the path and the SHA-256 of
nonce and body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from krakked.domain.errors import BadInput

_SHOWN: int = 4
"""Characters of a key that may be seen, so that two keys can be told apart."""


class Credentials:
    """One API key with its secret."""

    __slots__ = ("_secret", "key")

    def __init__(self, key: str, secret: str) -> None:
        decoded = _decoded(secret)
        del secret  # a traceback that shows local names must not find it here
        self.key = key.strip()
        if not self.key:
            raise BadInput("the API key is empty: copy it from the venue's settings page")
        if not decoded:
            raise BadInput(f"the secret of API key {self} is not base64: copy it whole")
        self._secret = decoded

    def __str__(self) -> str:
        return f"{self.key[:_SHOWN]}…"

    def __repr__(self) -> str:
        return f"<Credentials {self}>"

    def sign(self, path: str, nonce: int, body: str) -> str:
        """``API-Sign`` of a POST of ``body`` (which holds the nonce) to ``path``."""
        digest = hashlib.sha256(f"{nonce}{body}".encode()).digest()
        mac = hmac.new(self._secret, path.encode() + digest, hashlib.sha512)
        return base64.b64encode(mac.digest()).decode()


class SessionToken:
    """Opens private streams; a secret with a short life."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "<SessionToken>"

    def reveal(self) -> str:
        """The token itself, for the subscription and nothing else."""
        return self._text

    def redact(self, text: str) -> str:
        """``text`` without the token."""
        return text.replace(self._text, "***")


def _decoded(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
