"""Which emotions does an image convey, and which emoji fit? The scene and the faces in it, fused."""

from postlens.tasks.reactions.emoji import EmojiRule, EmojiTable, choose_emoji, default_table, load_table
from postlens.tasks.reactions.features import (
    AFFECT_HEAD,
    EXPRESSION_HEAD,
    EXPRESSION_NET,
    SCENE_HEAD,
    SceneReading,
    read_affect,
    read_expressions,
    read_scene,
)
from postlens.tasks.reactions.fuse import pool_expressions
from postlens.tasks.reactions.predict import DEFAULT_THRESHOLD, predict

__all__ = [
    "AFFECT_HEAD",
    "DEFAULT_THRESHOLD",
    "EXPRESSION_HEAD",
    "EXPRESSION_NET",
    "SCENE_HEAD",
    "EmojiRule",
    "EmojiTable",
    "SceneReading",
    "choose_emoji",
    "default_table",
    "load_table",
    "pool_expressions",
    "predict",
    "read_affect",
    "read_expressions",
    "read_scene",
]
