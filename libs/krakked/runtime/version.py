"""Which krakked this is. A constant: reading the installed metadata takes longer than ``--version``
may. A test holds it against ``pyproject.toml``.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.7.0"


def version() -> str:
    """``0.7.0``."""
    return VERSION
