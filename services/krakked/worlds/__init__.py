"""Whole worlds from seeds: real engines, the simulated venue, and all that can go wrong between."""
