"""The real world: one package per kind of thing outside, each behind a port."""
