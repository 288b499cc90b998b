"""What tests/bench/jobs is made of."""
