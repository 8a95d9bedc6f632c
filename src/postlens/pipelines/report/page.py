"""A campaign to one HTML page that holds its pictures, styles and script."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from postlens.pipelines.campaign import Campaign
from postlens.pipelines.exports import replace_bytes
from postlens.pipelines.report.cards import (
    POSTS_PER_CREATOR,
    STRIP_LENGTH,
    creator_cards,
    newest_by_creator,
    post_cards,
)
from postlens.pipelines.report.forecasts import creator_forecasts, forecast_media
from postlens.pipelines.report.numbers import count, lift, percent, seconds, spot
from postlens.pipelines.report.people import (
    FACES_OPEN,
    METRICS_SHOWN,
    PEOPLE_LISTED,
    PEOPLE_SHOWN,
    person_labels,
    person_metrics,
    person_rows,
    shown_posts,
)
from postlens.pipelines.report.products import offer_cards, offered_media, tabled_offers, unread_creators
from postlens.pipelines.report.reactions import creator_reactions
from postlens.pipelines.report.timeline import PEOPLE_PER_VIDEO, clock, shown_videos, timelines
from postlens.types import NICHES
from postlens.version import __version__

CREATORS_IN_FULL = 60  # beyond these a creator is a row of a table, so that the page stays openable
FAILURES_SHOWN = 50
DUPLICATES_SHOWN = 50
SCRIPT = "report.js"


def write_report(campaign: Campaign, out: Path, *, thumbnails: Mapping[str, bytes]) -> Path:
    """Render the page into the folder and return its path; `thumbnails` are JPEGs of `shown_media`."""
    path = out / "report.html"
    replace_bytes(path, render(campaign, thumbnails=thumbnails).encode("utf-8", "replace"))
    return path


def shown_media(campaign: Campaign) -> list[str]:
    """sha256 of the media that the page shows, so that no other thumbnails need be read."""
    by_id = {post.post.post_id: post for post in campaign.posts}
    wanted = shown_posts(campaign.people)
    for duplicate in campaign.duplicates[:DUPLICATES_SHOWN]:
        wanted += [duplicate.post_id, duplicate.first_post_id]
    newest = newest_by_creator(campaign.posts)
    for answer in campaign.creators[:CREATORS_IN_FULL]:
        wanted += [post_id for post_id, _ in (answer.niche.attention[:STRIP_LENGTH] if answer.niche else ())]
        wanted += [post.post.post_id for post in newest.get(answer.creator.creator_id, ())[:POSTS_PER_CREATOR]]
    wanted += [post_id for post_id, _ in shown_videos(campaign)[0]]
    found = [media.sha256 for post_id in wanted if post_id in by_id for media in by_id[post_id].media[:1]]
    return list(dict.fromkeys([*found, *offered_media(campaign), *forecast_media(campaign)]))


def render(campaign: Campaign, *, thumbnails: Mapping[str, bytes]) -> str:
    """The page as text. Its policy lets no script run but its own, and nothing be loaded."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("postlens.pipelines", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(count=count, percent=percent, lift=lift, seconds=seconds, spot=spot, clock=clock)
    cards = post_cards(campaign, person_labels(campaign.people), thumbnails)
    creators = creator_cards(campaign, cards)
    reactions, more_reactions = creator_reactions(campaign, cards, thumbnails)
    script = loader.get_source(environment, SCRIPT)[0]
    return environment.get_template("report.html.j2").render(
        campaign=campaign,
        creators=creators[:CREATORS_IN_FULL],
        more_creators=creators[CREATORS_IN_FULL:],
        people=person_rows(campaign, cards, thumbnails),
        n_faces=FACES_OPEN,
        n_pictured=PEOPLE_SHOWN,
        n_more_people=max(0, len(campaign.people) - PEOPLE_LISTED),
        metrics=person_metrics(campaign.people),
        n_more_metrics=len({row.metric for p in campaign.people for row in p.performance}) - METRICS_SHOWN,
        offers=offer_cards(campaign, thumbnails),
        more_offers=tabled_offers(campaign),
        unread=unread_creators(campaign),
        reactions=reactions,
        more_reactions=more_reactions,
        reaction_policy=campaign.reaction_policy,
        forecasts=creator_forecasts(campaign, cards, thumbnails),
        timelines=timelines(campaign, cards, thumbnails),
        n_videos_with_people=shown_videos(campaign)[1],
        n_people_per_video=PEOPLE_PER_VIDEO,
        niches=_niche_bars(campaign),
        failures=campaign.failures[:FAILURES_SHOWN],
        n_more_failures=max(0, len(campaign.failures) - FAILURES_SHOWN),
        n_more_duplicates=max(0, len(campaign.duplicates) - DUPLICATES_SHOWN),
        duplicates=campaign.duplicates[:DUPLICATES_SHOWN],
        n_videos=sum(answer.n_videos for answer in campaign.creators),
        n_images=sum(answer.n_images for answer in campaign.creators),
        cards=cards,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=__version__,
    )


def _niche_bars(campaign: Campaign) -> list[tuple[str, int, float]]:
    """Label, number of posts, share of the longest bar, for labels that occur."""
    counts = Counter(post.niche.label for post in campaign.posts if post.niche)
    longest = max(counts.values(), default=1)
    return [(label, counts[label], counts[label] / longest) for label in NICHES if counts[label]]
