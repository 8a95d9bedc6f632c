"""Where the bundled sample campaign is: real photos, rendered videos, invented figures (its README.md says whose)."""

from pathlib import Path

POSTS_TABLE = Path(__file__).resolve().parents[1] / "sample_campaign" / "posts.csv"
