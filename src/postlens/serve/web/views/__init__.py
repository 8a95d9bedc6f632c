"""Answers of a campaign to the records that templates show."""
