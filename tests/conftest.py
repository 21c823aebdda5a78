"""What several suites share: the records that fill a ledger.

Tests do not import each other; they ask for fixtures. So what more than one suite needs is loaded
here, once, by its file.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

_RECORDS = Path(__file__).with_name("contract") / "ledger" / "support_records.py"
_NAME = "krakked_test_ledger_records"


@pytest.fixture(scope="session")
def records() -> ModuleType:
    """Plausible records of the ledger, as the ledger's contract tests use them."""
    if _NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(_NAME, _RECORDS)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[_NAME] = module  # records of that module are looked up by its name
        spec.loader.exec_module(module)
    return sys.modules[_NAME]


@pytest.fixture(autouse=True)
def forget_servers() -> Iterator[None]:
    """aiohttp remembers the handlers of the last 1,024 servers, and each keeps its whole venue."""
    yield
    if "aiohttp.web_app" in sys.modules:
        sys.modules["aiohttp.web_app"]._cached_build_middleware.cache_clear()
