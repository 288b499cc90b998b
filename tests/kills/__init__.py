"""Random kills of everything, and a checker that believes none of it."""
