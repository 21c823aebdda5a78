"""The engine service: the singleton that trades one account. The only holder of exchange keys."""
