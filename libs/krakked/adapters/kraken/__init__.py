"""Kraken spot: signed REST calls and WebSocket v2 streams behind the ports of krakked.

auth        who we are: API keys, signatures             knows secrets, shows none
nonces      one growing number per key                   carries the ownership epoch
rate_limit  waits before the venue would refuse          REST counter, engine counter
errors      the venue's words → what the caller must do  one table
wire        REST records, exact numbers, names of pairs  the venue's spellings end here
frames      WebSocket frames → feed messages             synchronous, no I/O
transport   one HTTP session, one call at a time per key
rest        ``Exchange`` and ``MarketHistory``
websocket   ``MarketFeed``
"""
