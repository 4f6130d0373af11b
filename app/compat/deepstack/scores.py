"""Maps decisions to the confidence of DeepStack's clients, whose usual threshold is 0.67."""

from app.faces.decisions.policy import Judgement

MATCH = 0.67
"""The confidence of a pair whose similarity just reaches its threshold."""


def client_score(judgement: Judgement) -> float:
    """The confidence of a compared pair, 0 to 1; at least MATCH exactly if it is a match.

    Linear from MATCH to 1 between the pair's threshold and a similarity of 1, and from 0 to MATCH
    between a similarity of -1 and the threshold.
    """
    similarity, threshold = judgement.similarity, judgement.threshold
    if judgement.matches:
        above = (similarity - threshold) / max(1.0 - threshold, 1e-6)
        return round(MATCH + (1.0 - MATCH) * min(above, 1.0), 4)
    below = max(similarity + 1.0, 0.0) / (threshold + 1.0)
    return min(round(MATCH * below, 4), MATCH - 0.0001)
