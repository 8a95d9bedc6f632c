"""Stored facts of one creator to what its niche and that of its posts is read from."""

from __future__ import annotations

from collections.abc import Sequence

from postlens.pipelines.facts import CreatorFacts
from postlens.tasks.niche.attention import post_measures
from postlens.tasks.niche.features import MediaFaces
from postlens.types import Embeddings, Faces, FloatArray, MediaFile, Post


def frame_vectors(facts: CreatorFacts) -> dict[str, list[Embeddings]]:
    """Frame embeddings for niche of each post's media; posts without any are left out."""
    vectors = facts.embeddings if facts.niche_embeddings is None else facts.niche_embeddings
    found = {post.post_id: [vectors[sha256][0] for sha256 in post.media if sha256 in vectors] for post in facts.posts}
    return {post_id: own for post_id, own in found.items() if own}


def searched_faces(post: Post, facts: CreatorFacts) -> list[MediaFaces]:
    """What is known about the faces in the post's media; a file that a stage failed for is left out.

    Of a video only the sampled frames count, those that have vectors: others were searched where faces change.
    """
    known = [sha256 for sha256 in post.media if sha256 in facts.searched and sha256 in facts.embeddings]
    found = [(sha256, facts.faces.get(sha256, Faces.none())) for sha256 in known if sha256 in facts.media]
    n_frames = {sha256: len(facts.embeddings[sha256][0]) for sha256 in known}
    return [
        MediaFaces(faces[faces.frame < n_frames[sha256]], _size_px(facts.media[sha256]), n_frames[sha256])
        for sha256, faces in found
        if not len(faces) or (faces.template is not None and faces.expression is not None)
    ]


def attention_measures(facts: CreatorFacts, post_ids: Sequence[str]) -> FloatArray:
    """What stands beside the posts' vectors, as the attention model was trained with."""
    posts = {post.post_id: post for post in facts.posts}
    likes = [snapshot.likes if (snapshot := facts.snapshots.get(post_id)) else None for post_id in post_ids]
    captions = [posts[post_id].caption for post_id in post_ids]
    return post_measures(
        likes=likes,
        published_at=[posts[post_id].published_at for post_id in post_ids],
        caption_length=[None if caption is None else len(caption) for caption in captions],
    )


def _size_px(media: MediaFile) -> tuple[int, int]:
    return media.width_px, media.height_px
