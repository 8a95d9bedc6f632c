"""Numbered migrations, run by `store.migrate`; a published one is never edited."""
