"""Thresholds as text and as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.results import threshold
from napari_medad.results.threshold import check_threshold, threshold_value

ANOMALY = np.arange(101, dtype=np.float32).reshape(1, 1, 101)
EVERYWHERE = np.ones(ANOMALY.shape, bool)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (" Auto ", "auto"),
        ("quantile:0.980", "quantile:0.98"),
        ("0.25", 0.25),
        (3, 3.0),
        ("-1e3", -1000.0),
    ],
)
def test_text_is_read(text, meant):
    assert check_threshold(text) == meant


@pytest.mark.parametrize("text", ["high", "quantile:", "quantile:x", "quantile:1", "quantile:0"])
def test_anything_else_is_refused_in_a_sentence(text):
    with pytest.raises(MedadError, match="quantile"):
        check_threshold(text)


@pytest.mark.parametrize("number", ["nan", "inf", float("nan")])
def test_a_threshold_must_be_a_finite_number(number):
    with pytest.raises(MedadError, match="finite"):
        check_threshold(number)


def test_quantiles_are_taken_inside_the_foreground():
    foreground = ANOMALY >= 50
    assert threshold_value("quantile:0.5", ANOMALY, foreground) == (
        75,
        "the 0.5 quantile of this scan's foreground",
    )
    assert threshold_value("quantile:0.5", ANOMALY, np.zeros_like(foreground))[0] == 50


def test_auto_is_the_calibrated_value_and_else_a_quantile():
    assert threshold_value("auto", ANOMALY, EVERYWHERE, 7.5, "by healthy scans") == (
        7.5,
        "by healthy scans",
    )
    value, how = threshold_value("auto", ANOMALY, EVERYWHERE)
    assert value == pytest.approx(98)
    assert "0.98 quantile" in how


def test_a_number_is_the_users():
    assert threshold_value(0.4, ANOMALY, EVERYWHERE, 7.5) == (0.4, "set by the user")


def test_quantiles_of_a_big_scan_come_from_some_of_its_slices(monkeypatch):
    monkeypatch.setattr(threshold, "EXACT_UP_TO", 5_000)
    anomaly = np.random.default_rng(0).random((40, 30, 30), dtype=np.float32)
    value, _ = threshold_value("quantile:0.9", anomaly, np.ones(anomaly.shape, bool))
    assert value == pytest.approx(0.9, abs=0.02)
    assert value != np.quantile(anomaly, 0.9)
