"""Which decision option applies: request, collection, settings."""

import pytest

from app.errors import InvalidRequest
from app.faces.decisions.normalisation import NoNormalisation
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policy import DecisionPolicy
from app.faces.decisions.rules import DecisionRules
from app.faces.decisions.thresholds import Thresholds
from tests.faces.decisions.test_policy import TABLE

SETTINGS = DecisionOptions(0.001, 0.01)
NOTHING = DecisionOptions()


def rules(collection: DecisionOptions, settings: DecisionOptions = SETTINGS) -> DecisionRules:
    """The rules of a gallery with these options."""
    policy = DecisionPolicy(Thresholds(TABLE), NoNormalisation())
    return DecisionRules(policy, (collection, settings))


def test_request_overrides_collection_and_collection_overrides_settings() -> None:
    collection = DecisionOptions(target_fmr=0.01)
    assert rules(NOTHING).verify_limit(NOTHING).target == 0.001
    assert rules(collection).verify_limit(NOTHING).target == 0.01
    assert rules(collection).verify_limit(DecisionOptions(target_fmr=0.1)).target == 0.1
    assert rules(collection).identify_limit(NOTHING, 10).target == 0.01  # of the settings


def test_fixed_threshold_replaces_the_rates_of_its_level_and_those_below() -> None:
    fixed = DecisionOptions(threshold=0.4, target_fmr=0.01)
    limit = rules(fixed).verify_limit(NOTHING)
    assert (limit.threshold, limit.fixed, limit.target) == (0.4, True, None)
    assert rules(fixed).identify_limit(NOTHING, 10).fixed
    assert rules(fixed).verify_limit(DecisionOptions(target_fmr=0.1)).target == 0.1
    everywhere = DecisionOptions(0.001, 0.01, 0.6)
    assert rules(NOTHING, everywhere).verify_limit(NOTHING).threshold == 0.6
    assert rules(DecisionOptions(target_fmr=0.1), everywhere).verify_limit(NOTHING).target == 0.1


def test_options_survive_storage() -> None:
    options = DecisionOptions(target_fpir=0.1, threshold=-0.5)
    assert options.stored() == {"target_fpir": 0.1, "threshold": -0.5}
    assert DecisionOptions.of(options.stored()) == options


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"target_fmr": 0.0}, "target_fmr"),
        ({"target_fpir": 0.6}, "target_fpir"),
        ({"target_fpir": float("nan")}, "target_fpir"),
        ({"threshold": 1.01}, "threshold"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, float], where: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DecisionOptions(**values)
    assert caught.value.where == where
