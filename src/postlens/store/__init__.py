"""The database: facts about posts and media, kept in one SQLite file or in PostgreSQL.

Conclusions (averages, shares, rankings) are derived from these facts by queries and never stored.
"""

from postlens.store.database import Store

__all__ = ["Store"]
