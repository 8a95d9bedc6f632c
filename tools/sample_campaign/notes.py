"""The campaign to its README: what each file shows, who made it, under which licence."""

from sample_campaign.records import Campaign, Post

INTRO = """\
# Sample campaign

Six invented accounts with {n_posts} posts ({n_photos} photos, {n_clips} videos), used by
`postlens demo`, the tutorial and the tests.
This page is written by `tools/build_sample_campaign.py` from `tools/sample_campaign/*.toml`.

- **Accounts, captions and figures are invented.** No post was published, and no number in `posts.csv` was measured.
- **The people shown are public figures in works of the US government** (NASA, the Navy). They are used
  as sample media only: they have no tie to the invented accounts, and nothing here suggests that they, their offices or
  these agencies endorse postlens or any product.
- Videos are rendered from the pictures below by pan and zoom, except `city-walk.mp4`, which is shortened footage.
  Two crops of one picture can appear in different posts; `espresso-again.jpg` repeats `espresso.jpg` byte for byte;
  `flight-suit.jpg` is stored turned and carries the EXIF orientation that sets it upright.

## Licences

- *CC0 1.0*, *Public domain*: no conditions. NASA and the Navy ask that their names and marks imply no endorsement.
- *CC BY 2.0* (creativecommons.org/licenses/by/2.0): credit the author named below; the files were shrunk, and cropped
  where "crop" is said.
- *Pexels licence* (pexels.com/license): free to use and change, credit welcome. Not allowed: selling unaltered copies,
  offering them on another stock service, or implying endorsement.

"""


def readme_text(campaign: Campaign) -> str:
    """The whole README."""
    n_clips = sum(post.is_clip for post in campaign.posts)
    n_posts = len(campaign.posts)
    intro = INTRO.format(n_posts=n_posts, n_photos=n_posts - n_clips, n_clips=n_clips)
    return intro + _files(campaign) + _sources(campaign) + _packages(campaign)


def _files(campaign: Campaign) -> str:
    rows = [
        f"| `{post.path}` | {_shows(campaign, post)} | {_making(post)} | {_licences(campaign, post)} |"
        for post in campaign.posts
    ]
    return "## Files\n\n" + _table(("file", "shows", "made by", "licence"), rows)


def _shows(campaign: Campaign, post: Post) -> str:
    return "; then: ".join(source.shows for source in campaign.sources_of(post))


def _licences(campaign: Campaign, post: Post) -> str:
    named = dict.fromkeys(f"{source.licence}: {source.author}" for source in campaign.sources_of(post))
    return "; ".join(named)


def _making(post: Post) -> str:
    if post.copy is not None:
        return f"copy of `{post.copy}`"
    if post.is_clip:
        return "shortened footage" if post.footage else "pan and zoom" + (", one cut" if len(post.shots) > 1 else "")
    if post.verbatim:
        return "unchanged"
    cropped = "shrunk" if post.crop == (0.0, 0.0, 1.0, 1.0) else "crop"
    return cropped + (", stored turned" if post.exif_orientation != 1 else "")


def _sources(campaign: Campaign) -> str:
    rows = [
        f"| {s.shows} | {s.package} | `{s.member}` | {s.author} | {s.licence} | {s.evidence} |"
        for s in campaign.sources.values()
    ]
    head = ("picture", "package", "file in the package", "author", "licence", "where the licence is stated")
    return "## Pictures\n\n" + _table(head, rows)


def _packages(campaign: Campaign) -> str:
    rows = [f"| {p.name} | {p.version} | `{p.file}` | `{p.sha256}` |" for p in campaign.packages.values()]
    table = _table(("package", "version", "file", "sha256"), rows)
    return "## Packages (all from PyPI)\n\n" + table.removesuffix("\n")


def _table(head: tuple[str, ...], rows: list[str]) -> str:
    rule = "| " + " | ".join("---" for _ in head) + " |"
    return "\n".join(["| " + " | ".join(head) + " |", rule, *rows]) + "\n\n"
