"""A step that draws."""

import matplotlib.figure
import numpy as np

import waterflow as wf


@wf.step
def draw(numbers: np.ndarray) -> matplotlib.figure.Figure:
    """Return a figure."""
    figure = matplotlib.figure.Figure(figsize=(2, 1))
    figure.add_subplot().plot(numbers[:, 0])
    return figure
