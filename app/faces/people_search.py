"""Searches a gallery for people, and judges them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from cachetools import LRUCache
from sqlalchemy.orm import Session

from app.faces.decisions.policy import DecisionPolicy, Judgement, Limit
from app.faces.decisions.search_thresholds import SEARCHED, resemblance_of
from app.store.collections import Collection
from app.store.index_sync import IndexSync
from app.store.people import Person
from app.store.search import Corrections, NearestPerson, nearest_people
from app.store.templates import vectors_by_template_id
from app.vectors import Matrix, Vector

_CACHED = 20_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person near a face, with the decision about this pair.

    `resemblance` is what the threshold rose by (`SearchedPair`), None where the search is not
    relative to the gallery.
    """

    person: Person
    template_id: str
    judgement: Judgement
    score: float
    resemblance: float | None

    @property
    def average_threshold(self) -> float:
        """What an average pair with these resemblances needs, without score normalisation."""
        return self.judgement.threshold - (self.judgement.similarity - self.score)


@dataclass(frozen=True, slots=True)
class SearchRule:
    """What decides a search of a gallery: a limit of `DecisionPolicy.for_search`, or another."""

    policy: DecisionPolicy
    limit: Limit
    gallery: Collection

    @property
    def corrections(self) -> Corrections | None:
        """What templates take off a score while they are ranked, if anything."""
        policy = self.policy
        return policy.corrections if policy.normalises and not self.limit.fixed else None

    def average_threshold(self, found: Sequence[Sequence[Candidate]]) -> float:
        """What an average pair needs: the mean over the best candidates of the probes."""
        needed = [candidates[0].average_threshold for candidates in found if candidates]
        if needed:
            return float(np.mean(needed))
        if self.limit.resemblance_weight and self.limit.target is not None:
            return self.policy.for_fpir(self.limit.target, self.gallery.size).threshold
        return self.limit.threshold


class PeopleSearcher:
    """Finds the people near faces. Thread-safe; resemblances of templates are cached."""

    def __init__(self, index_sync: IndexSync) -> None:
        self._index_sync = index_sync
        self._cache: LRUCache[tuple[int, int, str], float | None] = LRUCache(_CACHED)
        self._lock = Lock()

    def search(
        self,
        session: Session,
        rule: SearchRule,
        probes: Matrix,
        count: int,
        without: Sequence[str | None] | None = None,
    ) -> list[list[Candidate]]:
        """The `count` nearest people of each unit vector of `probes`, best first, or a few more.

        `without` names for each probe a person to leave out, by person_id. Raises DecryptionFailed.
        """
        most = max(count, SEARCHED)
        if without is None:
            found = self._nearest(session, rule, probes, most)
        else:
            found = [
                [one for one in nearest if one.person.person_id != left_out]
                for nearest, left_out in zip(
                    self._nearest(session, rule, probes, most + 1), without, strict=True
                )
            ]
        resemblances = self._of_templates(session, rule, found) if rule.limit.of_templates else None
        return [
            _judge(rule, probe, nearest, resemblances)
            for probe, nearest in zip(probes, found, strict=True)
        ]

    def _nearest(
        self, session: Session, rule: SearchRule, probes: Matrix, count: int
    ) -> list[list[NearestPerson]]:
        return nearest_people(
            session, self._index_sync, rule.gallery, probes, count, rule.corrections
        )

    def _of_templates(
        self, session: Session, rule: SearchRule, found: Sequence[Sequence[NearestPerson]]
    ) -> Mapping[str, float | None]:
        """The resemblance of each template found to other people of the gallery, by template_id."""
        gallery, ids = rule.gallery, {one.template_id for nearest in found for one in nearest}
        keys = {one: (gallery.row_id, gallery.revision, one) for one in sorted(ids)}
        with self._lock:
            known = {one: self._cache[key] for one, key in keys.items() if key in self._cache}
        lacking = [one for one in keys if one not in known]
        vectors = vectors_by_template_id(session, gallery, lacking) if lacking else {}
        if vectors:
            faces = np.stack(list(vectors.values()))
            searched = self._nearest(session, rule, faces, SEARCHED)
            own = rule.policy.corrections(faces).tolist()
            new = {
                template_id: resemblance_of(_scores(nearest, correction))
                for template_id, nearest, correction in zip(vectors, searched, own, strict=True)
            }
            known |= new
            with self._lock:
                self._cache.update({keys[one]: value for one, value in new.items()})
        return known


def _judge(
    rule: SearchRule,
    probe: Vector,
    nearest: Sequence[NearestPerson],
    of_templates: Mapping[str, float | None] | None,
) -> list[Candidate]:
    """Judges the people near a unit vector, best first; those of SEARCHED people at least."""
    policy, fixed = rule.policy, rule.limit.fixed
    [own] = policy.corrections(probe[None]).tolist()
    scores = _scores(nearest, own)
    of_probe = resemblance_of(scores)
    candidates = []
    for one, score in zip(nearest, scores, strict=True):
        both = [of_probe] if of_templates is None else [of_probe, of_templates.get(one.template_id)]
        limit, resemblance = policy.searched(rule.limit, rule.gallery.size, both)
        judged = policy.judge(one.similarity, own + one.correction, limit, resemblance)
        candidates.append(
            Candidate(
                one.person,
                one.template_id,
                judged,
                one.similarity if fixed else score,
                resemblance if limit.resemblance_weight else None,
            )
        )
    return candidates


def _scores(nearest: Sequence[NearestPerson], own: float) -> list[float]:
    return [one.similarity - own - one.correction for one in nearest]
