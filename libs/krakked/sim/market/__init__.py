"""Where prices come from: still, invented from a seed, or replayed from recorded candles."""
