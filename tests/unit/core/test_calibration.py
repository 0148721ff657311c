"""A measured calibration turns a model's own score into a confidence, the same here as where it was fitted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_server.core import calibration
from tierwise_server.core.calibration import Calibration
from tierwise_server.measure import calibration as fitted

BIASED = Calibration("m", intercept=-1.0, slope=0.5)


@pytest.mark.parametrize(
    ("signal", "confidence"), [(0.5, 0.268941), (0.8, 0.423883), (1.0, 0.785424), (0.0, 0.035656)]
)
def test_a_signal_becomes_the_logistic_of_its_log_odds(signal: float, confidence: float) -> None:
    assert BIASED(signal) == pytest.approx(confidence, abs=1e-5)


@given(st.floats(-100, 100), st.floats(0, 100), st.floats(0, 1), st.floats(0, 1))
def test_more_signal_is_never_less_confidence(
    intercept: float, slope: float, one: float, other: float
) -> None:
    calibrate = Calibration("m", intercept, slope)
    low, high = sorted((one, other))
    assert 0.0 <= calibrate(low) <= calibrate(high) <= 1.0


@given(st.floats(-20, 20), st.floats(0, 20), st.floats(0, 1))
def test_serving_computes_what_measuring_fitted(
    intercept: float, slope: float, signal: float
) -> None:
    served = Calibration("m", intercept, slope)(signal)
    measured = fitted.Calibrator(intercept, slope, 10, 10, 0.0)(np.array([signal]))
    assert served == pytest.approx(float(measured[0]), abs=1e-12)
    assert calibration.SIGNAL_CLIP == fitted.SIGNAL_CLIP
