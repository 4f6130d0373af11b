"""Face embedders: data, losses, miners, the two training stages, evaluation, export."""
