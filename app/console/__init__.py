"""The console: the service's web page, static files that use the HTTP API like any client."""
