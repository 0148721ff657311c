"""From what a model says of its own draft to the chance that the draft is good: one logistic per tier of a row.

The numbers are measured (`tierwise measure`); here they are only applied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SIGNAL_CLIP: Final = 0.01
"""Signals are held this far from 0 and 1: a model's "10 of 10" is not a certainty."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps a raw signal in [0, 1] to a confidence: the logistic of intercept + slope * log-odds of the signal.

    Platt's scaling (1999). Never decreasing, as the slope is not negative.

    Attributes:
        model: the model whose signals it was fitted to; another model's mean something else.
        labels: how many judged answers of the row's own task type it saw.
        pooled_labels: how many of that model in all.
        clip: how far signals are held from 0 and 1.
    """

    model: str
    intercept: float
    slope: float
    labels: int = 0
    pooled_labels: int = 0
    clip: float = SIGNAL_CLIP

    def __call__(self, signal: float) -> float:
        """The confidence that a raw signal stands for."""
        held = min(max(signal, self.clip), 1.0 - self.clip)
        log_odds = self.intercept + self.slope * math.log(held / (1.0 - held))
        # Written for both signs, so that no exponential overflows.
        if log_odds >= 0.0:
            return 1.0 / (1.0 + math.exp(-log_odds))
        grown = math.exp(log_odds)
        return grown / (1.0 + grown)
