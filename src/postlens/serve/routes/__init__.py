"""Routes of the REST API, a file for each noun; `api.py` puts them together."""
