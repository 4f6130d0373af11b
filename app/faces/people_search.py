"""Judges the nearest people of a probe in a search of a gallery."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.faces.decisions.policy import DecisionPolicy, Judgement, Limit
from app.store.collections import Collection
from app.store.people import Person
from app.store.search import Corrections, NearestPerson
from app.vectors import Vector


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person near a face, with the decision about this pair."""

    person: Person
    template_id: str
    judgement: Judgement
    score: float


class Search:
    """The decisions of a search with one limit (`DecisionPolicy.for_search`)."""

    def __init__(self, policy: DecisionPolicy, limit: Limit, gallery: Collection) -> None:
        self._policy, self.limit, self._size = policy, limit, gallery.size
        self._needed: list[float] = []

    @property
    def corrections(self) -> Corrections | None:
        """What templates take off a score while they are ranked, if anything."""
        policy = self._policy
        return policy.corrections if policy.normalises and not self.limit.fixed else None

    @property
    def average_threshold(self) -> float:
        """What an average candidate of the probes judged so far needs."""
        if self._needed:
            return float(np.mean(self._needed))
        if self.limit.resemblance_weight and self.limit.target is not None:
            return self._policy.for_fpir(self.limit.target, self._size).threshold
        return self.limit.threshold

    def judge(self, probe: Vector, nearest: Sequence[NearestPerson]) -> list[Candidate]:
        """Judges the people near a unit vector, best first; those of SEARCHED people at least."""
        [own] = self._policy.corrections(probe[None]).tolist()
        fixed = self.limit.fixed
        scores = [one.similarity - own - one.correction for one in nearest]
        limit, resemblance = self._policy.searched(self.limit, self._size, scores)
        self._needed.append(limit.threshold + resemblance)
        return [
            Candidate(
                one.person,
                one.template_id,
                self._policy.judge(one.similarity, own + one.correction, limit, resemblance),
                one.similarity if fixed else score,
            )
            for one, score in zip(nearest, scores, strict=True)
        ]
