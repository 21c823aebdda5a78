"""Whole worlds from seeds: real engines, the simulated venue, and everything at fault."""
