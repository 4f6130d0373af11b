"""Landmarks that the tests of the pipeline share."""

import numpy as np

from app.faces.pipeline.types import Points

FRONTAL: Points = np.array([[30.0, 40], [70, 40], [50, 60], [35, 80], [65, 80]])
