"""A table's column names to the names that posts know, in common spellings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from postlens.errors import UnknownNameError
from postlens.types import METRICS

# Spellings by our name, the best first: where a table has several, the first in this order is read. Compared without
# case, accents, spaces, signs and the filler words below:
# "n_likes" and "likesCount" are "likes", "Like Count" is "like".
_SPELLINGS: Final = {
    "path": (
        "path file filepath filename localpath mediapath mediafile imagepath imagefile videopath videofile "
        "media image img photo picture video datei dateipfad dateiname pfad bild foto fichier chemin archivo "
        "ruta imagen"
    ),
    "url": (
        "url mediaurl videourl imageurl imgurl photourl pictureurl downloadurl displayurl src link posturl "
        "postlink permalink weburl webvideourl lien enlace"
    ),
    "creator": (
        "creator username user handle account influencer owner ownerusername author authorname creatorname "
        "creatorid accountname profile channel konto benutzer benutzername nutzer nutzername compte "
        "utilisateur createur auteur usuario cuenta creador autor"
    ),
    "platform": "platform network socialnetwork plattform netzwerk plateforme reseau plataforma",
    "post_id": "postid id mediaid videoid shortcode postkey beitragsid idpost idpublication idpublicacion",
    "caption": (
        "caption text description posttext title body content message beschreibung bildunterschrift "
        "beitragstext legende texte leyenda descripcion texto"
    ),
    "published_at": (
        "publishedat published publishdate publishedon publicationdate postedat posted postedon postdate date "
        "datetime timestamp takenat takenattimestamp createdat created createtime createtimeiso uploaddate "
        "uploadedat datum veroffentlicht veroffentlichtam veroffentlichung publiele datepublication publicado "
        "fecha fechapublicacion"
    ),
    "observed_at": (
        "observedat observed scrapedat collectedat crawledat fetchedat retrievedat snapshotat snapshotdate "
        "asof stand erhobenam abgerufenam"
    ),
    "views": (
        "views view videoviews videoview plays play videoplays videoplay aufrufe wiedergaben ansichten vues "
        "vistas visualizaciones reproducciones"
    ),
    "likes": (
        "likes like favorites favourites favorite hearts heart digg diggs gefallt gefalltmir "
        "gefalltmirangaben jaime mentionsjaime megusta"
    ),
    "comments": "comments comment kommentare kommentar commentaires commentaire comentarios comentario",
    "shares": "shares share reposts repost geteilt partages partage compartidos compartido",
    "saves": "saves save saved bookmarks bookmark collect collects gespeichert enregistrements guardados",
    "score": "score performance performancescore kpi wertung puntuacion",
    "followers": "followers follower subscribers subscriber fans abonnenten abonnes seguidores",
    "followees": "followees followee following followings abonniert abonnements seguidos",
    "n_posts": "posts mediacount postcount postscount postsaccount accountposts ownerposts beitrage publicaciones",
    "alt_text": (
        "alttext alt accessibilitycaption imagealt imagealttext alternativtext bildbeschreibung textealternatif "
        "textoalternativo"
    ),
    "n_tagged": "tagged ntagged taggedusers taggedaccounts usertags taggedpeople",
    "has_location": "haslocation location locationname geotag",
    "label": "label niche category class kategorie nische categorie categoria etiqueta",
}
COLUMNS: Final = tuple(_SPELLINGS)
RESOLVED_PATH: Final = "resolved_path"  # column that `postlens clean` adds: paths from the folder of its own table
COUNTS: Final = (*METRICS, "followers", "followees", "n_posts")  # columns that hold numbers
_RANK: Final = {
    spelling: (name, rank) for name, words in _SPELLINGS.items() for rank, spelling in enumerate(words.split())
}
_FILLERS: Final = frozenset(
    {
        "n",
        "nb",
        "num",
        "number",
        "of",
        "the",
        "count",
        "counts",
        "total",
        "anzahl",
        "der",
        "nombre",
        "numero",
        "de",
        "la",
    }
)


def normalise(name: str) -> str:
    """A column name's letters and digits without case, accents and filler words; `likesCount` -> `likes`."""
    return "".join(word for word in _words(name) if word not in _FILLERS)


def _joined(name: str) -> str:
    """With the filler words: `media_count` counts posts, `media` says where they are."""
    return "".join(_words(name))


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    plain = "".join(c for c in unicodedata.normalize("NFKD", spaced) if not unicodedata.combining(c)).casefold()
    return re.findall(r"[^\W_]+", plain)


def find_columns(names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, int]:
    """Our column names to positions in `names`.

    A mapped column is found by its exact name, else by its normalised one; of equal names the first is taken. Where
    `postlens clean` has written where the files are (`RESOLVED_PATH`), that is the path, whatever is mapped.
    """
    best: dict[str, tuple[int, int]] = {}  # ours -> (rank, position)
    for position, name in enumerate(names):
        ours, rank = _RANK.get(_joined(name)) or _RANK.get(normalise(name), ("", 0))
        if ours and ours not in mapping and (ours not in best or rank < best[ours][0]):
            best[ours] = rank, position
    found = {ours: position for ours, (_, position) in best.items()}
    for ours, theirs in mapping.items():
        named = _position(names, theirs)
        if named is not None:
            found = {other: place for other, place in found.items() if place != named} | {ours: named}
    resolved = _position(names, RESOLVED_PATH)
    return found if resolved is None else found | {"path": resolved}


def _position(names: Sequence[str], wanted: str) -> int | None:
    """Where a named column is: the exact name, else one that differs in case, accents and signs only."""
    for key in (str.strip, normalise):
        keys = [key(name) for name in names]
        if key(wanted) in keys:
            return keys.index(key(wanted))
    return None


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raise `UnknownNameError` for a name in the mapping that posts do not have."""
    for ours in mapping:
        if ours not in COLUMNS:
            raise UnknownNameError(f"posts have no column {ours!r}; map one of {', '.join(COLUMNS)}")


def find_metrics(names: Sequence[str], wanted: Sequence[str]) -> dict[str, int]:
    """Further columns of numbers, by the names that the user gives them, to positions; known counts are left out."""
    found = {name: _position(names, name) for name in wanted if name not in COUNTS}
    return {name: position for name, position in found.items() if position is not None}


def is_header(names: Sequence[str], mapping: Mapping[str, str]) -> bool:
    """Whether a row names a column that says where the media is."""
    return not {"path", "url"}.isdisjoint(find_columns(names, mapping))


def repeated(names: Sequence[str], found: Mapping[str, int]) -> list[str]:
    """Names of columns that are there several times and of which the first is read."""
    used = {normalise(names[position]) for position in found.values()}
    keys = [normalise(name) for name in names]
    return [names[i] for i, key in enumerate(keys) if key in used and key in keys[:i]]
