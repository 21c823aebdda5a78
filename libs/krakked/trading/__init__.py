"""What is done: cycles, execution, reconciliation, guards, the dead-man switch, control.

The deciding half is synchronous and pure; the acting half does lock, decide, unlock, await.
"""
