"""The REST API and the web page: HTTP requests to the same pipelines as the command line.

Needs the extra `serve`. Nothing but `cli/serve.py` imports it, inside the verb.
"""
