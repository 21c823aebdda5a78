"""Accounts beside the main one, from a file: names, balances, tiers, keys and what each may do.

    alice:
      tier: pro
      balances: {USD: 5000, XBT: 0.5, XBT.F: 1}
      keys:
        - {key: alice-trade}
        - {key: alice-watch, may: query, nonce_window: 10000}
    bob:
      balances: {USD: 100}

YAML, or JSON. An account without keys has one, ``<name>-key``, that may do everything; a key
without a secret has the one that the simulator prints at start.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import yaml

from krakked.domain.errors import BadInput
from krakked.domain.ids import Asset
from krakked.runtime.yaml_nodes import ROWS_MAX, TextNodes, UnsafeYaml, bounded_node
from krakked.sim.exchange.keys import ALL_PERMISSIONS, QUERY_PERMISSIONS, Permission
from krakked.sim.exchange.limits import Tier
from krakked.simulator.options import AccountKey, AccountOptions, default_key

GROUPS: Final[Mapping[str, frozenset[Permission]]] = {
    "all": ALL_PERMISSIONS,
    "query": QUERY_PERMISSIONS,
}
NONCE_WINDOW_MAX: Final = 10**15


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    secret: str | None = None
    may: str | list[str] = "all"
    nonce_window: int = 0


class _Account(msgspec.Struct, forbid_unknown_fields=True):
    balances: dict[str, Decimal] = {}
    tier: Tier | None = None
    keys: list[_Key] = []


def read_accounts(path: Path, tier: Tier) -> tuple[AccountOptions, ...]:
    """The accounts of a file; those without a tier have the given one.

    Raises:
        BadInput: no such file, or not of that form.
    """
    try:
        # every scalar stays text: an amount must not pass through a float
        loader = TextNodes(path.read_text(encoding="utf-8"))
        node = bounded_node(loader, nodes_max=ROWS_MAX)
        raw = None if node is None else loader.construct_document(node)
        found = msgspec.convert(raw, dict[str, _Account], strict=False)
    except UnsafeYaml as error:
        raise BadInput(f"--accounts {path}:{error.line}: {error}") from error
    except OSError as error:
        raise BadInput(
            f"--accounts {path}: {error.strerror}; give a file that can be read"
        ) from error
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())
        raise BadInput(
            f"--accounts {path}: {line}; `krakked simulator --help` shows one"
        ) from error
    return tuple(_account(path, name, row, tier) for name, row in found.items())


def _account(path: Path, name: str, row: _Account, tier: Tier) -> AccountOptions:
    keys = row.keys or [_Key(key=f"{name}-key")]
    return AccountOptions(
        name=name,
        balances={Asset(asset): amount for asset, amount in row.balances.items()},
        tier=row.tier or tier,
        keys=tuple(_key(path, key) for key in keys),
    )


def _key(path: Path, row: _Key) -> AccountKey:
    if not 0 <= row.nonce_window <= NONCE_WINDOW_MAX:
        raise BadInput(f"--accounts {path}: nonce_window of {row.key} must be from 0 to 10^15")
    return AccountKey(
        key=row.key,
        secret=row.secret or default_key(row.key).secret,
        permissions=_permissions(path, row),
        nonce_window=row.nonce_window,
    )


def _permissions(path: Path, row: _Key) -> frozenset[Permission]:
    if isinstance(row.may, str) and row.may in GROUPS:
        return GROUPS[row.may]
    known = {each.value: each for each in Permission}
    names = [row.may] if isinstance(row.may, str) else row.may
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadInput(
            f"--accounts {path}: {row.key} may {unknown[0]}? Give all, query, or some of "
            f"{', '.join(known)}"
        )
    return frozenset(known[name] for name in names)
