"""End-to-end tests: real programs on two hosts."""
