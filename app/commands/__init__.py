"""Commands of the `sima` command line, one module per topic."""
