"""The command line: one thin function per verb; what it calls lives elsewhere."""
