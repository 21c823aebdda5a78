"""What one value may be: units, bounds and forms, each with the words that documents say of it.

The sections in ``models.py`` and ``services.py`` are made of these.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Environment(enum.Enum):
    """Which overlay is read, and what the books belong to."""

    DEV = "dev"
    PAPER = "paper"
    LIVE = "live"


class Mode(enum.Enum):
    """What may happen to an order."""

    DRY_RUN = "dry_run"
    """Plans are made and written down; nothing is sent."""
    PAPER = "paper"
    """Orders go to the simulator."""
    LIVE = "live"
    """Orders go to the venue, for money."""


class VenueKind(enum.Enum):
    """Where orders go."""

    SIMULATOR = "simulator"
    KRAKEN = "kraken"


class Tier(enum.Enum):
    """The account's verification tier: it decides the rate limits."""

    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"
    NONE = "none"
    """No limits; the simulator only."""


class Spoken(msgspec.Struct, frozen=True):
    """Stands in an annotation and says in words what may be written."""

    words: str


class Unit(msgspec.Struct, frozen=True):
    """Stands in an annotation and says what a number counts."""

    words: str


SECONDS: Final = Unit("seconds")
BARS: Final = Unit("bars")
POSITIONS: Final = Unit("positions")
ORDERS: Final = Unit("orders")

Number = Annotated[Decimal, Field(ge=0, le=10**12, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False), SECONDS]
Percent = Annotated[Decimal, Field(ge=0, le=100, allow_inf_nan=False), Unit("%")]
Amount = Annotated[Number, Unit("the base currency")]
Port = Annotated[int, Field(ge=0, le=65_535)]
PairText = Annotated[
    str, Field(pattern=r"^[A-Z0-9]{4,20}$"), Spoken("the altname of a pair, like `XBTUSD`")
]
AssetText = Annotated[
    str, Field(pattern=r"^[A-Z0-9]{2,12}$"), Spoken("the code of an asset, like `XBT`")
]
ClockTime = Annotated[
    str,
    Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    Spoken("a time of day in quotes, `00:00`"),
]
NameText = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$"),
    Spoken("a name of small letters, digits, `_` and `-`"),
]


def _upper_keys(value: object) -> object:
    if isinstance(value, dict):
        return {str(key).upper(): item for key, item in value.items()}
    return value


def _unlimited(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "max" else value


def _without_slash(value: str) -> str:
    return value.rstrip("/")


HttpUrl = Annotated[
    str,
    Field(pattern=r"^https?://[^/\s]+(/\S*)?$"),
    AfterValidator(_without_slash),
    Spoken("an address `http://…` or `https://…`"),
]
WsUrl = Annotated[
    str,
    Field(pattern=r"^wss?://[^/\s]+(/\S*)?$"),
    AfterValidator(_without_slash),
    Spoken("an address `ws://…` or `wss://…`"),
]
Balances = Annotated[
    dict[AssetText, Annotated[Number, Unit("units of the asset")]], BeforeValidator(_upper_keys)
]
Speed = Annotated[
    Annotated[
        Decimal,
        Field(gt=0, le=1_000_000, allow_inf_nan=False),
        Unit("simulated seconds in a real one"),
    ]
    | None,
    BeforeValidator(_unlimited),
    Spoken("a number or `max`"),
]


class Section(BaseModel):
    """Base of all sections: frozen, and nothing unknown."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=False
    )
