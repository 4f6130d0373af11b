"""Maps decisions to the similarity of CompreFace's clients: 0.6 and more is a match.

Clients compare it with thresholds from 0.5 (Viseron) to 0.6 (Double Take), so a pair that is not a
match has less than 0.4.
"""

from collections.abc import Sequence

from app.faces.decisions.policy import Judgement
from app.faces.people_search import Candidate
from app.faces.recognition import IdentifiedFace

MATCH = 0.6
"""The similarity of a match that just reaches its threshold."""
NO_MATCH = 0.4
"""Above the similarity of every pair that is not a match."""
_DIGITS = 5


def client_similarity(judgement: Judgement, match: bool) -> float:
    """The similarity of a compared pair, 0 to 1; at least MATCH exactly if it is a match.

    A match: linear from MATCH at the threshold of the pair to 1 at the similarity 1. Otherwise:
    linear from NO_MATCH at the threshold to 0 at a similarity that is 1 or more below it, so that
    candidates of one face are ordered by how far they miss their thresholds.
    """
    margin = judgement.similarity - judgement.threshold
    if match:
        share = margin / max(1.0 - judgement.threshold, 1e-6)
        return round(MATCH + (1.0 - MATCH) * min(max(share, 0.0), 1.0), _DIGITS)
    highest = NO_MATCH - 10.0**-_DIGITS
    return min(round(NO_MATCH * min(max(1.0 + margin, 0.0), 1.0), _DIGITS), highest)


def candidate_similarities(found: IdentifiedFace) -> Sequence[tuple[Candidate, float]]:
    """The candidates of a face, nearest first, with their similarities.

    Only the person who was identified is a match: a rival who reaches its threshold as well, and
    both people of an ambiguous face, are not.
    """
    return [
        (one, client_similarity(one.judgement, number == 0 and found.decision == "match"))
        for number, one in enumerate(found.candidates)
    ]
