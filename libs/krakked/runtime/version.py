"""Which krakked this is, from the metadata of the installed distribution."""

from __future__ import annotations

from importlib.metadata import version as _version


def version() -> str:
    """``0.7.0``."""
    return _version("krakked")
