"""A collection of drawn posts as `postlens train engagement` reads it."""

from __future__ import annotations

import base64
import gzip
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

SIDE_PX = 42


def thumbnail(number: int) -> str:
    """Base64 of a JPEG of one grey, 7 levels brighter for each number."""
    file = io.BytesIO()
    Image.fromarray(np.full((SIDE_PX, SIDE_PX, 3), 7 * number % 256, np.uint8)).save(file, "JPEG")
    return base64.b64encode(file.getvalue()).decode()


def write_collection(folder: Path, *, n_accounts: int, n_posts: int, before: str = "") -> Path:
    """posts.jsonl.gz: post k of account a has 10 a + k + 1 likes; `before`: a line put first.

    The last post, of an account of its own without likes, is a year younger: it tells when all were counted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "creator": f"a{a}",
            "likes": 10 * a + k + 1,
            "followers": 1000 + a,
            "taken_at": 1_500_000_000 + 86_400 * k,
            "thumb_jpeg": thumbnail(a * n_posts + k),
        }
        for a in range(n_accounts)
        for k in range(n_posts)
    ]
    rows.append({"creator": "late", "taken_at": 1_500_000_000 + 86_400 * (n_posts + 365), "thumb_jpeg": thumbnail(0)})
    with gzip.open(folder / "posts.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines([before, *(json.dumps(row) + "\n" for row in rows)])
    return folder
