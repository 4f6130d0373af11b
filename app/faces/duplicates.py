"""Finds people of a gallery who may be one person enrolled twice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy.orm import Session

from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.policy import Judgement
from app.faces.people_search import PeopleSearcher, SearchRule
from app.store.collections import Collection, get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.people import Person, list_persons
from app.store.person_search import EVERYBODY
from app.store.template_images import crops_of_people
from app.store.templates import support_sets, with_mean
from app.vectors import EmbeddingSpace


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """A person, the most similar other one, and a template of each.

    `crop` and `other_crop` are templates of the two whose crops are stored, None without one.
    """

    person: Person
    other: Person
    template_id: str
    other_template_id: str
    judgement: Judgement
    crop: str | None = None
    other_crop: str | None = None


@dataclass(frozen=True, slots=True)
class DuplicatePage:
    """The pairs of `examined` people; `next_after` is None after the last people."""

    pairs: list[DuplicatePair]
    examined: int
    next_after: int | None


class DuplicateFinder:
    """Compares the people of a gallery with each other, page by page.

    A pair is reported where enrollment would have refused the second person as `already_enrolled`:
    its similarity reaches the threshold of `fpir`, the share of people who resemble another one by
    chance. Pairs that are rejected (`app.faces.rejections`) are left out.
    """

    def __init__(
        self,
        database: Database,
        searcher: PeopleSearcher,
        policies: DecisionPolicies,
        space: EmbeddingSpace,
        fpir: float,
    ) -> None:
        self._database, self._searcher, self._policies = database, searcher, policies
        self._space, self._fpir = space, fpir

    def page(
        self, collection: str, after: int, limit: int, fpir: float | None = None
    ) -> DuplicatePage:
        """Searches the gallery for up to `limit` people with a row_id above `after`.

        A pair of two of them is found from both sides, and reported once; that of a person with
        one of another page may be on both pages. Raises CollectionNotFound, SpaceMismatch,
        DecryptionFailed.
        """
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            gallery.require_space(self._space)
            found = list_persons(session, gallery, EVERYBODY, after, limit + 1)
            people = found[:limit]
            pairs = unique_pairs(self._pairs(session, gallery, people, fpir or self._fpir))
            pairs = _with_crops(session, pairs)
        return DuplicatePage(pairs, len(people), people[-1].row_id if len(found) > limit else None)

    def _pairs(
        self, session: Session, gallery: Collection, people: Sequence[Person], fpir: float
    ) -> list[DuplicatePair]:
        stored = support_sets(session, gallery, [person.row_id for person in people])
        searched = [person for person in people if person.row_id in stored]
        if not searched:
            return []
        probes = np.stack([with_mean(stored[person.row_id][1])[-1] for person in searched])
        policy = self._policies.of_gallery(session, gallery).policy
        rule = SearchRule(policy, policy.for_search(fpir, gallery.size), gallery)
        themselves = [person.person_id for person in searched]
        pairs = []
        found = self._searcher.search(session, rule, probes, 1, themselves)
        for person, others in zip(searched, found, strict=True):
            if others and others[0].judgement.matches:
                best, template_id = others[0], stored[person.row_id][0][0]
                pairs.append(
                    DuplicatePair(
                        person, best.person, template_id, best.template_id, best.judgement
                    )
                )
        return pairs


def _with_crops(session: Session, pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    people = {person.row_id: person for pair in pairs for person in (pair.person, pair.other)}
    crops = crops_of_people(session, list(people.values()))
    return [
        replace(
            pair,
            crop=crops.get(pair.person.person_id),
            other_crop=crops.get(pair.other.person_id),
        )
        for pair in pairs
    ]


def unique_pairs(pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """The pairs without those of the same two people that follow."""
    found: dict[frozenset[int], DuplicatePair] = {}
    for pair in pairs:
        found.setdefault(frozenset((pair.person.row_id, pair.other.row_id)), pair)
    return list(found.values())
