"""What tests/run and tests/campaign are made of."""
