"""Posts to posts.csv with invented figures, the same for the same seed."""

import csv
import io
import random

from sample_campaign.records import Campaign, Post

COLUMNS = ("path", "creator", "platform", "caption", "published_at", "views", "likes", "comments", "shares", "saves",
           "followers")  # fmt: skip
SEED = 20250101
SPREAD = 0.16  # standard deviation of the log of likes around an account's usual number
VIDEO_LIFT = 1.3  # factor on likes of videos
FOLLOWERS_PER_DAY = 0.0012  # growth of an account, as a share
# Means of the other figures per like. Photos show no views, as on the platforms.
PER_LIKE = {"views": 11.0, "comments": 0.032, "shares": 0.018, "saves": 0.055}


def posts_csv(campaign: Campaign) -> str:
    """The table of the campaign, one row per post in the order of campaign.toml."""
    rng = random.Random(SEED)
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for post in campaign.posts:
        writer.writerow(_row(post, campaign=campaign, rng=rng))
    return out.getvalue()


def _row(post: Post, *, campaign: Campaign, rng: random.Random) -> dict[str, object]:
    creator = campaign.creators[post.creator]
    first = min(p.published_at for p in campaign.posts)
    followers = round(creator.followers * (1 + FOLLOWERS_PER_DAY * (post.published_at - first).days))
    figures = _figures(post, usual=followers * creator.like_rate, rng=rng)
    known = {**figures, "followers": followers}
    return {
        "path": post.path,
        "creator": post.creator,
        "platform": creator.platform,
        "caption": post.caption,
        "published_at": post.published_at.isoformat().replace("+00:00", "Z"),
        **{name: "" if name in post.hidden else value for name, value in known.items()},
    }


def _figures(post: Post, *, usual: float, rng: random.Random) -> dict[str, int | str]:
    likes = usual * post.lift * (VIDEO_LIFT if post.is_clip else 1.0) * rng.lognormvariate(0, SPREAD)
    drawn = {name: round(likes * mean * rng.lognormvariate(0, SPREAD)) for name, mean in PER_LIKE.items()}
    return {**drawn, "likes": round(likes), "views": drawn["views"] if post.is_clip else ""}
