"""A Kraken look-alike over sockets: REST, WebSocket v2, an admin port; the rules are ``sim``'s."""

from __future__ import annotations

from krakked.simulator.markets import opening_ns
from krakked.simulator.options import SimulatorOptions
from krakked.simulator.server import RunningSimulator, start

__all__ = ["RunningSimulator", "SimulatorOptions", "opening_ns", "start"]
