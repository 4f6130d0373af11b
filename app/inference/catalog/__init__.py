"""Downloads, converts and installs published models."""
