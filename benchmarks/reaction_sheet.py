"""The pictures of the sample campaign with their emotions and emoji on one page, for looking at.

    python benchmarks/reaction_sheet.py SHEET.html      # 10 s

The page is self-contained; a browser draws the emoji. Pictures are the campaign's (its README.md says whose they are).
Every answer is what `postlens react` says of the file, drawn with the styles of the report.
"""

import sys
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from postlens.config import Settings
from postlens.media.decode import decode_file
from postlens.media.image import encode_jpeg
from postlens.media.probe import kind_of
from postlens.pipelines.decode import decoding, shrunk
from postlens.pipelines.react import Reacted, react_media
from postlens.pipelines.report.cards import data_uri
from postlens.pipelines.report.numbers import percent
from postlens.pipelines.report.reactions import bars_of, told_by

MEDIA = Path(__file__).resolve().parents[1] / "src" / "postlens" / "sample_campaign" / "media"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reactions to the sample campaign</title>
<style>{% include "report.css" %}{% include "reactions.css" %}
.react img { width: 100%; aspect-ratio: 4 / 3; object-fit: contain; background: var(--bg); border-radius: 8px; }
</style></head><body><main class="wrap"><h1>Reactions to the sample campaign</h1>
<p class="soft">Emotions, emoji that fit, emoji that do not, and who decided; the line in a bar is its threshold.</p>
<div class="reactgrid">
{% for one in shown %}{% set r = one.forecast %}
<div class="react"><img src="{{ one.picture }}" alt="{{ one.title }}">
<p class="name"><span class="small soft">{{ one.title }}</span><br><b>{{ r.emotions|join(", ") }}</b>
{% if r.low_confidence %}<span class="tag quiet">low confidence</span>{% endif %}</p>
<div class="emotions">{% for bar in one.bars %}
<span class="label{% if bar.found %} on{% endif %}">{{ bar.emotion }}</span>
<span class="gauge">
<span class="fill {{ "e-" ~ bar.emotion if bar.found else "off" }}" style="width:{{ 100 * bar.prob }}%"></span>
<span class="limit" style="left:{{ 100 * bar.threshold }}%"></span></span>
<span class="pct">{{ bar.prob|percent }}</span>{% endfor %}</div>
<p class="emoji">{% for e in r.allowed %}<span class="sign">{{ e }}</span> {% endfor %}</p>
<p class="not"><span class="small soft">not</span>
{% for e in r.blocked %}<span class="sign">{{ e }}</span> {% endfor %}</p>
<p class="small soft">decided by {{ one.decided }};
valence {{ "%.1f"|format(r.valence) }}, arousal {{ "%.1f"|format(r.arousal) }}</p>
</div>
{% endfor %}</div></main></body></html>
"""


def main() -> None:
    """Draw the sheet."""
    settings = Settings()
    found = react_media([str(MEDIA)], settings=settings)
    environment = Environment(
        loader=PackageLoader("postlens.pipelines", "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["percent"] = percent
    page = environment.from_string(PAGE).render(shown=[card(one, settings) for one in found.posts])
    Path(sys.argv[1]).write_text(page, encoding="utf-8")
    print(f"{len(found.posts)} pictures, {len(found.failures)} failures: {sys.argv[1]}")


def card(one: Reacted, settings: Settings) -> dict[str, object]:
    """What the sheet shows of one post: of a video its middle frame."""
    path = Path(one.files[0])
    frames = decode_file(path, how=decoding(kind_of(str(path)), settings)).frames.images
    return {
        "title": path.name,
        "picture": data_uri(encode_jpeg(shrunk(frames[len(frames) // 2]))),
        "forecast": one.forecast,
        "bars": bars_of(one.forecast),
        "decided": told_by(one.forecast),
    }


if __name__ == "__main__":
    main()
