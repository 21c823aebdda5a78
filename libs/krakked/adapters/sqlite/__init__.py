"""The ledger on disk: SQLite in WAL mode, one writer, whole transactions, append-only books.

Every other table is state or a projection; ``maintenance.check_ledger`` proves the projections
against the books. Only the engine opens a ledger for writing (``ledger.open_ledger``, with a lock
file beside it); everybody else asks over read-only connections (``queries``).
"""
