"""Bars on disk: parquet for what is past, a small segment for what has just closed."""
