"""What is needed of the world: protocols only, no code that runs.

Each port has one contract suite that its real form and its simulated one both pass.
"""
