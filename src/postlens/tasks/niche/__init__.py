"""What a post, and a creator, is about: one of nine labels, and the posts that decide it."""

from postlens.tasks.niche.creators import CreatorModel
from postlens.tasks.niche.features import MediaFaces, face_features, post_embeddings
from postlens.tasks.niche.predict import FACE_MODEL, POST_MODEL, predict_creator, predict_posts

__all__ = [
    "FACE_MODEL",
    "POST_MODEL",
    "CreatorModel",
    "MediaFaces",
    "face_features",
    "post_embeddings",
    "predict_creator",
    "predict_posts",
]
