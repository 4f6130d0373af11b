"""Training of face embedders: data, losses, miners, stages, evaluation and export."""
