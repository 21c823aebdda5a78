"""Errors, named by what the caller must do.

    KrakkedError
    ├─ Refused        we said no (risk, stale data, kill switch)     → record, go on
    │   └─ Stale      the market data is too old to decide on
    ├─ Transient      the world may say yes later            → wait, retry
    ├─ Ambiguous      sent, and no answer                    → never resend; look it up
    ├─ Permanent      the world said no (no funds …)         → record, alert, go on
    │   ├─ BadKey     the credentials are wrong
    │   ├─ MissingPermission
    │   └─ Fenced     a newer owner exists                   → stop submitting
    ├─ LedgerFailed   the disk or the database gave up       → stop; nothing may be sent unrecorded
    ├─ OwnershipEnded another engine has the account         → end; nothing may be sent
    ├─ BadInput       a person must mend a file or a setting → one clear line, exit code
    └─ AssertionError a broken invariant: a bug              → crash; recovering is starting

Adapters translate once, at the edge, by a table.
"""

from __future__ import annotations


class KrakkedError(Exception):
    """Base of all errors that krakked names."""


class Refused(KrakkedError):
    """We said no: record it and go on."""


class Stale(Refused):
    """Market data is older than the tolerance; an old price is never passed off as new."""


class Transient(KrakkedError):
    """Not done; the same request may succeed later.

    ``retry_after_s`` is the venue's own word on when, if it gave one.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Ambiguous(KrakkedError):
    """Sent, and we do not know whether it was done: reconcile, never resend."""


class Permanent(KrakkedError):
    """The venue said no, and would say no again.

    ``code`` is the venue's own text, e.g. ``EOrder:Insufficient funds``.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class BadKey(Permanent):
    """The venue does not know the API key or its signature."""


class MissingPermission(Permanent):
    """The key is good, but may not do this."""


class Fenced(Permanent):
    """The venue saw a higher nonce on this key: someone newer exists. Stop submitting."""


class LedgerFailed(KrakkedError):
    """The ledger cannot be written (disk full, corrupt, in use): nothing may be sent unrecorded.

    ``exit_code`` 73 unless the cause has a row of its own.
    """

    def __init__(self, message: str, *, exit_code: int = 73) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class LedgerInUse(LedgerFailed):
    """Another process has it: it may be free later."""


class OwnershipEnded(KrakkedError):
    """The account is not ours and will not be; ``exit_code`` says why."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class BadInput(KrakkedError):
    """Something a person wrote cannot be used: says what, where and how to mend it.

    ``exit_code`` is a row of the table in ``docs/exit-codes.md``.
    """

    def __init__(self, message: str, *, exit_code: int = 78) -> None:
        super().__init__(message)
        self.exit_code = exit_code
