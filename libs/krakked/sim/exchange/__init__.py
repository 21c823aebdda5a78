"""The exchange: matching, fees, limits, keys, histories, and both private wires of a spot venue.

Its face is :class:`exchange.Exchange`; the server around it moves bytes and time. Where the venue's
documentation is silent or contradicts itself, the choice is a field of
:class:`options.ExchangeOptions`, or a sentence in the module that makes it.
"""
