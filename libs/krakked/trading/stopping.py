"""Stops: the engine watches every quote, and closes a position whose stop the bid has reached.

A stop is position data and survives restarts. Its order is a plan of its own; while that plan is
under way the sleeve is not triggered again, and if it ends with the position still held, the
next quote triggers it anew.
"""

from __future__ import annotations
