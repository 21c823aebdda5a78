"""What is true: money, pairs, bars, orders, fills, positions, intents, risk, plans.

Nothing here knows time, chance, files or the network; values come in, values go out.
"""
