"""A campaign to `report.html`: one self-contained page that opens offline; a script in it only sorts its table."""

from __future__ import annotations

from postlens.pipelines.report.cards import POSTS_PER_CREATOR, STRIP_LENGTH, data_uri
from postlens.pipelines.report.numbers import count, lift, percent, seconds, spot
from postlens.pipelines.report.page import CREATORS_IN_FULL, render, shown_media, write_report
from postlens.pipelines.report.people import PEOPLE_LISTED, PEOPLE_SHOWN
from postlens.pipelines.report.products import OFFERS_SHOWN
from postlens.pipelines.report.timeline import TIMELINES_SHOWN

__all__ = [
    "CREATORS_IN_FULL",
    "OFFERS_SHOWN",
    "PEOPLE_LISTED",
    "PEOPLE_SHOWN",
    "POSTS_PER_CREATOR",
    "STRIP_LENGTH",
    "TIMELINES_SHOWN",
    "count",
    "data_uri",
    "lift",
    "percent",
    "render",
    "seconds",
    "shown_media",
    "spot",
    "write_report",
]
