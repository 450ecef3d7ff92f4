"""`python -m benchmarks`: speed, accuracy and cost of this library beside others, on the same weights and audio."""
