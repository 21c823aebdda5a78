"""The settings: what a person may write, each documented under its field.

A *setting* is one value; together they are the *configuration*. These models only say what each
value alone may be; what several of them may not be together stands in ``contradictions.py``, and
where they come from in ``overlays.py``. They are frozen: a change is a new configuration.
Percentages are of equity where nothing else is said; durations carry their unit in the name.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from krakked.domain.bars import Timeframe
from krakked.domain.orders import OrderType, TimeInForce
from krakked.runtime.settings.fields import (
    BARS,
    ORDERS,
    POSITIONS,
    SECONDS,
    Amount,
    AssetText,
    ClockTime,
    Environment,
    HttpUrl,
    Mode,
    NameText,
    PairText,
    Percent,
    Seconds,
    Section,
    Spoken,
    Tier,
    Unit,
    VenueKind,
    WsUrl,
)
from krakked.runtime.settings.services import Health, Leader, Logging, Scheduler, Simulator, Ui


class Region(Section):
    """What the law of the account's home allows."""

    profile: Literal["US_CA"] = "US_CA"
    """Spot only: no margin, no futures, no staking, ever. The only profile there is."""

    @property
    def supports_margin(self) -> bool:
        """Never."""
        return False

    @property
    def supports_futures(self) -> bool:
        """Never."""
        return False

    @property
    def supports_staking(self) -> bool:
        """Never."""
        return False

    @property
    def default_quote(self) -> str:
        """The currency that pairs are quoted in."""
        return "USD"


class Account(Section):
    """Which account this is; its name goes into the books and into the ids of its orders."""

    name: NameText = "default"
    """A name of your own for the account. For live it must be given."""
    confirm_name: str | None = None
    """The account's name once more, typed by hand: live does not start without it, so that a copied
    configuration does not trade on an account that nobody thought of."""


class Execution(Section):
    """How plans become orders."""

    mode: Mode = Mode.PAPER
    """`dry_run` plans without orders, `paper` sends them to the simulator, `live` to the venue.
    `live` is possible in environment live only."""
    allow_live_trading: bool = False
    """The second lock on live: mode `live` is refused while this is false."""
    default_order_type: OrderType = OrderType.LIMIT
    """Form of entries and exits. A limit order has a worst price; a market order has none."""
    max_slippage_bps: Annotated[Decimal, Field(ge=0, le=1_000), Unit("hundredths of a percent")] = (
        Decimal(50)
    )
    """How far beyond the mid price a limit may be, in hundredths of a percent of it."""
    time_in_force: TimeInForce = TimeInForce.GTC
    """How long orders stand at the venue. `GTC` stands for `order_ttl_seconds`, or until it is
    cancelled where that is `null`; `GTD` always has that end; `IOC` never rests."""
    post_only: bool = False
    """Whether limit orders may only make, never take; the venue refuses one that would take."""
    validate_only: bool = False
    """Whether every order goes to the venue with `validate=true`: checked there, never placed. The
    journal says `validated`, no fill follows, and what is held stays as it is: stops, exits and
    `flatten` are only checked too. It makes `venue.kind: kraken` possible in mode `paper`; in
    `dry_run` nothing is sent at all, and mode `live` refuses it."""
    dead_man_switch_seconds: Annotated[int, Field(ge=20, le=3_600), SECONDS] | None = 60
    """After so many seconds without a sign of life the venue cancels all orders of the account.
    60 is the venue's own advice. `null` turns it off and is refused in live. Where no order of
    ours can stand (`dry_run`, `validate_only`) it is left alone."""
    dead_man_refresh_seconds: Seconds = 15
    """How often the dead-man switch is wound up again; at most a quarter of its time, so that three
    refreshes in a row may fail."""
    deadline_seconds: Annotated[float, Field(ge=3, le=60), SECONDS] = 3
    """After so many seconds the venue itself refuses an order that is still on its way. The venue
    takes 2 to 60 from when the order reaches it, so one second at least is left for getting
    there: an order that needs longer is not sent late, but tried again."""
    order_ttl_seconds: Annotated[int, Field(ge=10, le=604_800), SECONDS] | None = 900
    """How long an order may rest. The venue ends it then, also when krakked is gone, and the
    strategy asks again at prices of that moment. `null`: no end."""
    max_retries: Annotated[int, Field(ge=0, le=20), Unit("retries")] = 3
    """How often what was certainly not done is tried again, for outages are mostly short; more
    failures in a row make the exchange `degraded`. What may have been done is never sent again,
    whatever this says. One exception: a sale that protects is tried until its plan ends
    (`execution.max_plan_age_seconds`), for giving up is what it must not do."""
    retry_backoff_seconds: Seconds = 2
    """Wait before the first retry: the venue needs a moment, and its rate counters drain."""
    retry_backoff_factor: Annotated[float, Field(ge=1, le=10), Unit("times the wait before")] = 2
    """Each further wait is longer by this factor, so that a venue in trouble is left alone more and
    more; 1 keeps it equal."""
    max_concurrent_orders: Annotated[int, Field(ge=1, le=200), ORDERS] = 10
    """How many orders of ours may be open at once; what adds risk waits for a place."""
    min_order_notional_usd: Amount = Decimal(20)
    """Smallest purchase that adds risk: below it the fee is all that comes of it. Sales are never
    held back by it."""
    max_plan_age_seconds: Seconds = 60
    """A plan that could not be carried out within this is dropped, not carried out late."""
    on_shutdown: Literal["keep", "cancel"] = "keep"
    """What a stop does to resting orders: keep them (they end by their own time, or by the dead-man
    switch) or cancel them first."""


class Venue(Section):
    """Where orders go, and by what way."""

    kind: VenueKind = VenueKind.SIMULATOR
    """`simulator` or `kraken`."""
    rest_url: HttpUrl | None = None
    """Address of the REST API. Empty with kind `simulator` in dev: one starts in this process."""
    ws_url: WsUrl | None = None
    """Address of the public WebSocket."""
    ws_auth_url: WsUrl | None = None
    """Address of the private WebSocket."""
    admin_url: HttpUrl | None = None
    """Address of a simulator's admin API: its clock is followed. Simulator only. Empty: the clock
    of this machine, which is that of a simulator of the moment at speed 1 too."""
    tier: Tier = Tier.INTERMEDIATE
    """Verification tier of the account; the client-side rate limits follow it."""
    timeout_seconds: Seconds = 10
    """How long an answer is waited for. After it an order counts as unknown and is looked up, so
    this must not be shorter than `execution.deadline_seconds`."""
    keys_dir: Path | None = None
    """Folder with the files `trade-key`, `trade-secret`, and optionally `query-key` and
    `query-secret`, as a Kubernetes secret is mounted. Used where no `KRAKEN_API_KEY` is set."""


class Universe(Section):
    """Which pairs are traded."""

    quote: AssetText = "USD"
    """Pairs quoted in this asset."""
    include_pairs: tuple[PairText, ...] = ()
    """Only these pairs, by Kraken's altname (`XBTUSD`). Empty: all that the rest allows."""
    exclude_pairs: tuple[PairText, ...] = ()
    """Never these. What is still held there keeps its stops; nothing is bought."""
    min_24h_volume_usd: Amount = Decimal(100_000)
    """Pairs that turned over less in the 24 hours before the start are left out, each told with its
    reason: their prices cannot be trusted. What somebody named (`include_pairs`, a strategy's
    `pairs`) or still holds stays, with a warning; `risk.min_liquidity_24h_usd` looks at each
    purchase there. A replay trades all its pairs. In USD, or whatever `portfolio.base_currency` is.
    """


class OhlcStore(Section):
    """Where closed bars are kept."""

    backend: Literal["parquet"] = "parquet"
    """Files of whole ticks, compacted by day."""
    root_dir: Path = Path("bars")
    """Folder; a relative one is beside the database, and one whose name is not `portfolio.db` puts
    its own in front (`other.db` has `other.bars`): two databases share no bars. A replay keeps its
    bars beside its database whatever stands here."""


class MarketStream(Section):
    """When a market-data stream is no longer believed."""

    stale_tolerance_seconds: Seconds = 60
    """A pair without news for longer is stale: nothing is decided on it. A quiet pair is not stale
    while its connection is alive."""
    heartbeat_seconds: Seconds = 10
    """A connection that is silent for longer is dead and is made anew; the venue sends a heartbeat
    every second."""


class MarketData(Section):
    """Bars and quotes."""

    timeframes: tuple[Timeframe, ...] = (Timeframe.H1,)
    """Lengths of bars that are kept: 1m 5m 15m 1h 4h 1d. Those that strategies ask for must be
    among them."""
    ohlc_store: OhlcStore = OhlcStore()
    """Where closed bars are kept."""
    ws: MarketStream = MarketStream()
    """When a stream is no longer believed."""
    bar_close_grace_seconds: Seconds = 2
    """A bar is closed when a later one starts, or so long after its end: trades may arrive late."""
    backfill_bars: Annotated[int, Field(ge=0, le=720), BARS] = 720
    """Bars fetched per pair and timeframe at the start; the venue gives no more than 720."""


class Portfolio(Section):
    """How the account is counted."""

    base_currency: AssetText = "USD"
    """Equity is counted in this."""
    valuation_pairs: dict[AssetText, PairText] = Field(default={})
    """Which pair values an asset, by its code: `{ETH: ETHXBT}` values ETH in XBT, and that by
    XBTUSD. Assets not named here are valued by their pair against `base_currency`; without one they
    count nothing and are flagged. Such pairs are streamed, not traded."""
    include_assets: tuple[AssetText, ...] = ()
    """Only these assets count in equity and limits. Empty: all. `base_currency` always counts."""
    exclude_assets: tuple[AssetText, ...] = ()
    """These do not count: what lies there for other ends is neither wealth nor risk of ours. Their
    balances are compared with the venue's all the same, and their pairs are not traded. Bought by
    hand, they take their price out of equity."""
    cost_basis_method: Annotated[
        Literal["wac"],
        Spoken(
            "`wac`: the books are kept by weighted average cost, `fifo` is for tax exports alone"
        ),
    ] = "wac"
    """Weighted average cost. `fifo` is refused: it says which lots a tax export takes, and never
    how the books are kept."""
    track_manual_trades: bool = True
    """Whether trades made by hand are booked to the sleeve `manual`, with their cost. If not, what
    they moved is a flow of the account like a deposit or a withdrawal: its coins are of `manual` at
    what they were worth then, whatever was paid for them."""
    snapshot_retention_days: Annotated[int, Field(ge=1, le=3_650), Unit("days")] = 30
    """Equity snapshots older than this are thinned out to one a day."""
    reconciliation_tolerance: Amount = Decimal("1.0")
    """Worth of a difference between books and venue, per asset and in the base currency, up to
    which it is shown but no drift: dust and rounding of foreign trades lie below, a real trade does
    not. What has no price is never within it, and the last line of a run counts it all the same."""


class Risk(Section):
    """Limits; each clamps or refuses, and none can be turned off."""

    max_risk_per_trade_pct: Percent = Decimal(1)
    """What one position may lose at its stop, of equity: many losses in a row must be
    survived."""
    max_portfolio_risk_pct: Percent = Decimal(10)
    """What all positions together may lose at their stops, of equity: one night may hit them
    all."""
    max_open_positions: Annotated[int, Field(ge=0, le=1_000), POSITIONS] = 10
    """Positions held at once; more of them hardly spread the risk, for pairs move together."""
    max_per_asset_pct: Percent = Decimal(5)
    """Value held in one asset, over all strategies, of equity: one asset may go to nothing."""
    max_per_strategy_pct: dict[NameText, Percent] = Field(default={})
    """Value held by one strategy, by its id, of equity: one of them may be wrong. Who is not named
    has no limit of his own."""
    max_daily_drawdown_pct: Percent = Decimal(10)
    """Loss since the start of the day, of the equity it began with, that turns the kill switch on:
    after a day like that a person should look."""
    kill_switch_on_drift: bool = True
    """Whether a difference between books and venue that nobody can explain turns it on."""
    include_manual_positions: bool = True
    """Whether positions taken by hand count towards the limits."""
    volatility_lookback_bars: Annotated[int, Field(ge=2, le=500), BARS] = 20
    """Bars of the average true range that sizes positions without a stop."""
    min_liquidity_24h_usd: Amount = Decimal(100_000)
    """Nothing is bought in pairs that turned over less in the last 24 hours, at every purchase.
    `universe.min_24h_volume_usd` asks the same once, at the start."""
    day_boundary: ClockTime = "00:00"
    """When the trading day begins, UTC."""


class Strategy(Section):
    """One strategy: a type with parameters, on pairs and timeframes."""

    type: NameText
    """Which kind: `trend_following`, `mean_reversion` or `hold_target_weights`."""
    enabled: bool = True
    """Whether it is asked. Its open positions keep their stops when it is not."""
    timeframes: tuple[Timeframe, ...] = (Timeframe.H1,)
    """On the close of which bars it is asked."""
    pairs: tuple[PairText, ...] = ()
    """Only on these pairs. Empty: on every pair of the universe."""
    params: dict[str, object] = Field(default={})
    """Its parameters by name; each type documents its own."""
    max_positions: Annotated[int, Field(ge=0, le=1_000), POSITIONS] | None = None
    """Positions it may hold at once. Empty: only the limits of the account count."""
    budget: Percent | None = None
    """Value it may hold, of equity. Empty: `risk.max_per_strategy_pct`, if that names it."""
    userref: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """A number of yours that stands on every event about the strategy. It is not sent: the venue
    takes a client order id or such a number, not both."""


class Settings(Section):
    """The whole configuration."""

    environment: Environment = Environment.DEV
    """`dev`, `paper` or `live`; comes from `--env`, and a file that says otherwise is refused."""
    region: Region = Region()
    """What the law of the account's home allows."""
    account: Account = Account()
    """Which account this is."""
    execution: Execution = Execution()
    """How plans become orders."""
    venue: Venue = Venue()
    """Where orders go."""
    universe: Universe = Universe()
    """Which pairs are traded."""
    market_data: MarketData = MarketData()
    """Bars and quotes."""
    portfolio: Portfolio = Portfolio()
    """How the account is counted."""
    risk: Risk = Risk()
    """Limits."""
    strategies: dict[NameText, Strategy] = Field(default={})
    """Strategies by id. The id stands on every decision, order and fill: rename it and its sleeves
    are new ones."""
    scheduler: Scheduler = Scheduler()
    """How often what no event triggers is looked at."""
    leader: Leader = Leader()
    """Which engine owns the account."""
    health: Health = Health()
    """Probes and metrics."""
    ui: Ui = Ui()
    """The HTTP API and the screens."""
    logging: Logging = Logging()
    """What is written to standard output."""
    simulator: Simulator = Simulator()
    """The simulator that starts in this process in dev."""
