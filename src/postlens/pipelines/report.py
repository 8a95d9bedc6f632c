"""A campaign to `report.html`: one self-contained page that opens offline and needs no script."""

from __future__ import annotations

import base64
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from postlens.pipelines.campaign import Campaign, CreatorAnswer, PersonAnswer
from postlens.pipelines.exports import replace_bytes
from postlens.types import NICHES, EngagementForecast, EngagementSnapshot, PersonPerformance, PostAnalysis
from postlens.version import __version__

POSTS_PER_CREATOR = 12  # shown in full; all of them are in posts.parquet
CREATORS_IN_FULL = 60  # beyond these a creator is a row of a table, so that the page stays openable
PEOPLE_SHOWN = 100  # each with two pictures; all of them are in people.xlsx
FAILURES_SHOWN = 50
DUPLICATES_SHOWN = 50
METRICS_SHOWN = 2  # of people; all of them are in people.xlsx
UNITS = ((1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from, divided by, letter
STRIP_LENGTH = 6  # deciding posts shown for a creator


@dataclass(frozen=True, slots=True)
class PostCard:
    """One post as the page shows it."""

    post: PostAnalysis
    title: str
    image: str | None  # data URI
    is_video: bool
    snapshot: EngagementSnapshot | None
    people: tuple[str, ...]
    duplicate_of: str | None
    caption: str | None


@dataclass(frozen=True, slots=True)
class CreatorCard:
    """One creator as the page shows it."""

    answer: CreatorAnswer
    anchor: str
    strip: tuple[tuple[PostCard, float], ...]  # deciding posts and their weights, heaviest first
    rest: tuple[int, float]  # how many posts are not in the strip, and their weight together
    posts: tuple[PostCard, ...]
    n_hidden: int


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person as the page shows it."""

    person: PersonAnswer
    label: str  # the user's name, else "Person 3"
    face: str | None
    by_metric: Mapping[str, PersonPerformance]
    best: PostCard | None


def write_report(campaign: Campaign, out: Path, *, thumbnails: Mapping[str, bytes]) -> Path:
    """Render the page into the folder and return its path; `thumbnails` are JPEGs of `shown_media`."""
    path = out / "report.html"
    replace_bytes(path, render(campaign, thumbnails=thumbnails).encode("utf-8", "replace"))
    return path


def shown_media(campaign: Campaign) -> list[str]:
    """sha256 of the media that the page shows, so that no other thumbnails need be read."""
    by_id = {post.post.post_id: post for post in campaign.posts}
    wanted = [person.performance[0].best_post_id for person in campaign.people[:PEOPLE_SHOWN] if person.performance]
    for duplicate in campaign.duplicates[:DUPLICATES_SHOWN]:
        wanted += [duplicate.post_id, duplicate.first_post_id]
    newest = _newest_by_creator(campaign.posts)
    for answer in campaign.creators[:CREATORS_IN_FULL]:
        wanted += [post_id for post_id, _ in (answer.niche.attention[:STRIP_LENGTH] if answer.niche else ())]
        wanted += [post.post.post_id for post in newest.get(answer.creator.creator_id, ())[:POSTS_PER_CREATOR]]
    found = [media.sha256 for post_id in wanted if post_id in by_id for media in by_id[post_id].media[:1]]
    return list(dict.fromkeys(found))


def render(campaign: Campaign, *, thumbnails: Mapping[str, bytes]) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("postlens.pipelines", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, percent=percent, lift=lift, seconds=seconds, spot=spot)
    labels = {person.person_id: person.name or f"Person {n}" for n, person in enumerate(campaign.people, start=1)}
    cards = _post_cards(campaign, labels, thumbnails)
    creators = _creator_cards(campaign, cards)
    return environment.get_template("report.html.j2").render(
        campaign=campaign,
        creators=creators[:CREATORS_IN_FULL],
        more_creators=creators[CREATORS_IN_FULL:],
        people=[_person_row(person, labels[person.person_id], cards) for person in campaign.people[:PEOPLE_SHOWN]],
        n_more_people=max(0, len(campaign.people) - PEOPLE_SHOWN),
        metrics=person_metrics(campaign.people),
        niches=_niche_bars(campaign),
        failures=campaign.failures[:FAILURES_SHOWN],
        n_more_failures=max(0, len(campaign.failures) - FAILURES_SHOWN),
        n_more_duplicates=max(0, len(campaign.duplicates) - DUPLICATES_SHOWN),
        duplicates=campaign.duplicates[:DUPLICATES_SHOWN],
        n_videos=sum(answer.n_videos for answer in campaign.creators),
        n_images=sum(answer.n_images for answer in campaign.creators),
        cards=cards,
        version=__version__,
    )


def person_metrics(people: Sequence[PersonAnswer]) -> tuple[str, ...]:
    """Metrics known for anyone, the most widely known first; as many as fit beside each other."""
    known = Counter(p.metric for person in people for p in person.performance)
    return tuple(name for name, _ in known.most_common(METRICS_SHOWN))


def _post_cards(campaign: Campaign, names: Mapping[str, str], thumbnails: Mapping[str, bytes]) -> dict[str, PostCard]:
    first = {d.post_id: d.first_post_id for d in campaign.duplicates}
    return {
        post.post.post_id: _post_card(post, campaign, names=names, first=first, thumbnails=thumbnails)
        for post in campaign.posts
    }


def _post_card(
    post: PostAnalysis,
    campaign: Campaign,
    *,
    names: Mapping[str, str],
    first: Mapping[str, str],
    thumbnails: Mapping[str, bytes],
) -> PostCard:
    shown = next((sha256 for sha256 in post.post.media if sha256 in thumbnails), None)
    location = campaign.locations.get((post.post.post_id, post.post.media[0]), "") if post.post.media else ""
    return PostCard(
        post=post,
        title=Path(location).name.encode("utf-8", "replace").decode() or post.post.post_id,
        image=data_uri(thumbnails[shown]) if shown else None,
        is_video=any(media.kind == "video" for media in post.media),
        snapshot=campaign.snapshots.get(post.post.post_id),
        people=tuple(sorted({names[a.person_id] for a in post.appearances if a.person_id in names})),
        duplicate_of=first.get(post.post.post_id),
        caption=post.post.caption,
    )


def _creator_cards(campaign: Campaign, cards: Mapping[str, PostCard]) -> list[CreatorCard]:
    by_creator: dict[str, list[PostCard]] = defaultdict(list)
    for card in cards.values():
        by_creator[card.post.post.creator_id].append(card)
    return [
        _creator_card(answer, number, cards, by_creator[answer.creator.creator_id])
        for number, answer in enumerate(campaign.creators, start=1)
    ]


def _creator_card(
    answer: CreatorAnswer, number: int, cards: Mapping[str, PostCard], own: list[PostCard]
) -> CreatorCard:
    attention = answer.niche.attention if answer.niche else ()
    strip = tuple((cards[post_id], weight) for post_id, weight in attention[:STRIP_LENGTH] if post_id in cards)
    newest = sorted(own, key=lambda card: newest_first(card.post))
    return CreatorCard(
        answer=answer,
        anchor=f"creator-{number}",
        strip=strip,
        rest=(len(attention) - len(strip), max(0.0, sum(w for _, w in attention) - sum(w for _, w in strip))),
        posts=tuple(newest[:POSTS_PER_CREATOR]),
        n_hidden=max(0, len(newest) - POSTS_PER_CREATOR),
    )


def newest_first(post: PostAnalysis) -> tuple[float, str]:
    """Sort key: the latest published first, posts without a time last, then by id."""
    at = post.post.published_at
    return -at.timestamp() if at else 0.0, post.post.post_id


def _newest_by_creator(posts: Sequence[PostAnalysis]) -> dict[str, list[PostAnalysis]]:
    found: dict[str, list[PostAnalysis]] = defaultdict(list)
    for post in sorted(posts, key=newest_first):
        found[post.post.creator_id].append(post)
    return found


def _person_row(person: PersonAnswer, label: str, cards: Mapping[str, PostCard]) -> PersonRow:
    by_metric = {p.metric: p for p in person.performance}
    best = cards.get(person.performance[0].best_post_id) if person.performance else None
    return PersonRow(person, label, data_uri(person.thumbnail) if person.thumbnail else None, by_metric, best)


def _niche_bars(campaign: Campaign) -> list[tuple[str, int, float]]:
    """Label, number of posts, share of the longest bar, for labels that occur."""
    counts = Counter(post.niche.label for post in campaign.posts if post.niche)
    longest = max(counts.values(), default=1)
    return [(label, counts[label], counts[label] / longest) for label in NICHES if counts[label]]


# --- what the template prints ----------------------------------------------------------------------------------------


def data_uri(jpeg: bytes) -> str:
    """A JPEG as a source of an img element."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def count(value: float | None) -> str:
    """1234567 -> 1.23 M, 12345 -> 12.3 k, 950 -> 950, None -> a dash."""
    if value is None:
        return "–"
    rounded = float(f"{value:.3g}")
    for least, size, unit in UNITS:
        if abs(value) >= 1e4 and abs(rounded) >= least:
            scaled = rounded / size
            return f"{scaled:.3g} {unit}" if abs(scaled) < 1e3 else f"{scaled:,.0f} {unit}"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 10 else f"{value:.1f}"


def percent(value: float | None) -> str:
    """0.456 -> 46 %, 0.001 -> under 1 %."""
    if value is None:
        return "–"
    return "under 1 %" if 0 < value < 0.005 else f"{value:.0%}".replace("%", " %")


def lift(value: float | None) -> str:
    """0.23 -> +23 %, with a real minus sign."""
    return "–" if value is None else f"{round(value, 2) + 0.0:+.0%}".replace("-", "−").replace("%", " %")


def seconds(value: float) -> str:
    """75.2 -> 1 min 15 s, 4.2 -> 4.2 s."""
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes and value >= 59.95 else f"{value:.1f} s"


def spot(value: float, forecast: EngagementForecast) -> float:
    """Where a count stands on the forecast's bar, 0..100, on a log scale a little wider than all its marks."""
    marks = [m for m in (forecast.lower, forecast.upper, forecast.baseline, forecast.actual) if m is not None]
    low, high = _log(min(marks)) - 0.15, _log(max(marks)) + 0.15
    return round(100 * (_log(value) - low) / (high - low), 1)


def _log(value: float) -> float:
    """Log of a count, mirrored below zero, where a score can be."""
    return math.copysign(math.log1p(abs(value)), value)
