"""How will this post do for this account? A forecast from what was known before it, with an interval."""

from postlens.tasks.engagement.predict import predict_account
from postlens.tasks.engagement.records import ENGAGEMENT_MODEL, PostFacts

__all__ = ["ENGAGEMENT_MODEL", "PostFacts", "predict_account"]
