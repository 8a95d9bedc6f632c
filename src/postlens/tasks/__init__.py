"""The five capabilities as pure functions: arrays and records in, records out."""
