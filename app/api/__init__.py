"""HTTP endpoints: each parses the request, calls one service and shapes the response."""
