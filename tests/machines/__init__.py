"""Whole machines, with systemd and packages of their own, on the hosts of tests/hosts."""
