"""Maps graded comparisons to Rekognition's similarity, 0 to 100, and searches to audit events."""

from itertools import pairwise

from app.faces.decisions.grading import GradedJudgement

MATCH = 80.0
"""The similarity of a pair that just reaches its threshold: Rekognition's default threshold."""
STRICT, STRICTEST = 95.0, 99.0
"""The similarities at a tenth and at a hundredth of the target error rate."""
_DIGITS = 4
_SMALLEST = 1e-9


def client_similarity(graded: GradedJudgement) -> float:
    """The similarity of a compared pair, 0 to 100; at least MATCH exactly if it is a match.

    Linear between these cosines: -1 is 0, the threshold of the pair MATCH, the thresholds at a
    tenth and a hundredth of the target rate STRICT and STRICTEST, and 1 is 100.
    """
    judged = graded.judgement
    if not judged.matches:
        share = max(judged.similarity + 1.0, 0.0) / (judged.threshold + 1.0)
        return min(round(MATCH * share, _DIGITS), MATCH - 10.0**-_DIGITS)
    knots = (
        (1.0, 100.0),
        (graded.strictest, STRICTEST),
        (graded.strict, STRICT),
        (judged.threshold, MATCH),
    )
    for (upper, most), (lower, least) in pairwise(knots):
        if judged.similarity >= lower:
            share = (judged.similarity - lower) / max(upper - lower, _SMALLEST)
            return round(least + (most - least) * min(share, 1.0), _DIGITS)
    raise AssertionError("a match reaches the threshold")
