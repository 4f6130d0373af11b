"""Models as data (manifests) and the runtime that executes them."""
