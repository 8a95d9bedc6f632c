"""What a post, and a creator, is about: one of nine labels, and the posts that decide it."""

from postlens.tasks.niche.creators import CreatorModel
from postlens.tasks.niche.features import post_embeddings
from postlens.tasks.niche.predict import POST_MODEL, predict_creator, predict_posts

__all__ = ["POST_MODEL", "CreatorModel", "post_embeddings", "predict_creator", "predict_posts"]
