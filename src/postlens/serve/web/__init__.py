"""The web page: a campaign for people who read it in a browser, drawn on the server."""
