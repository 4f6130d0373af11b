"""Resolves the limit of a comparison: request, then collection, then settings."""

from dataclasses import dataclass

from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policy import DecisionPolicy, Limit


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """The policy of a collection or of the model, and the options that requests may override.

    `levels` are ordered from the most specific to the settings, whose target rates are set.
    """

    policy: DecisionPolicy
    levels: tuple[DecisionOptions, ...]

    def verify_limit(self, requested: DecisionOptions) -> Limit:
        """The limit of a 1:1 comparison.

        The first level that sets a threshold or a target_fmr applies; of both, the threshold.
        """
        for level in (requested, *self.levels):
            if level.threshold is not None:
                return Limit(level.threshold, fixed=True)
            if level.target_fmr is not None:
                return self.policy.for_fmr(level.target_fmr)
        raise AssertionError("the settings have a target_fmr")

    def identify_limit(self, requested: DecisionOptions, gallery_size: int) -> Limit:
        """The limit of a search in a gallery of so many people, resolved like `verify_limit`."""
        for level in (requested, *self.levels):
            if level.threshold is not None:
                return Limit(level.threshold, fixed=True)
            if level.target_fpir is not None:
                return self.policy.for_fpir(level.target_fpir, gallery_size)
        raise AssertionError("the settings have a target_fpir")

    def search_limit(self, requested: DecisionOptions, gallery_size: int) -> Limit:
        """Like `identify_limit`, but relative to the people of the gallery where that is possible.

        See `DecisionPolicy.for_search`.
        """
        limit = self.identify_limit(requested, gallery_size)
        if limit.target is None:
            return limit
        return self.policy.for_search(limit.target, gallery_size)
