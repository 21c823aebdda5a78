"""Real processes under faults: a venue, an API server, two engines, and who kills and pauses them.

Run as ``python -m tests.chaos`` (``make chaos``); ``make test`` runs the tests of the pieces alone.

    relay      a line between one engine and one server, that can be cut, slowed and silenced
    tape       what went over the lines: private calls, their nonces, what the venue accepted
    programs   child processes, their log lines and their ends
    sorts      which worlds there are
    world      one venue, one API server, engines with volumes
    volumes    small disks that can become full
    acts       what happens to them, drawn from a seed
    trials     acts after which something certain must happen
    hold       one thread of a living process is held
    failovers  how long the account was without an owner that trades, against the contract
    audit      the ledgers and the venue's REST answers, compared from outside
    outcome    figures of all worlds, what is wanted of them, and the summary
    __main__   worlds beside each other
"""
