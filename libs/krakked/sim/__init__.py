"""The other world: an exchange, its market, its clock and its network, all from one seed.

Synchronous and deterministic: time is handed in, chance comes from a seeded generator, bytes
are moved by ``services/krakked/simulator``. What lives here is real code, held to the same
contract tests as the true adapters.
"""
