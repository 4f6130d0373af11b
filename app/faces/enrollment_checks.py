"""Compares a photo that is to be enrolled with the people of the gallery."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import AlreadyEnrolled, DifferentPerson
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.policy import Judgement
from app.faces.decisions.search_thresholds import SEARCHED
from app.faces.people_search import Search
from app.store.collections import Collection
from app.store.index_sync import IndexSync
from app.store.people import Person
from app.store.rejections import rejected_vectors
from app.store.search import nearest_people
from app.store.templates import support_set, with_mean
from app.vectors import Matrix


@dataclass(frozen=True, slots=True)
class EnrollmentRates:
    """The error rates of the checks, in (0, 1).

    `duplicate_fpir` is the share of new people who are refused as duplicates, `mismatch_fmr` the
    share of other people's photos that are accepted for a known person.
    """

    duplicate_fpir: float
    mismatch_fmr: float


@dataclass(frozen=True, slots=True)
class PossibleDuplicate:
    """Another person of the gallery whom the photo would verify as."""

    person: Person
    judgement: Judgement


class EnrollmentChecks:
    """Verifies a photo against the person it is added to, and finds duplicates."""

    def __init__(
        self, policies: DecisionPolicies, index_sync: IndexSync, rates: EnrollmentRates
    ) -> None:
        self._policies, self._index_sync, self._rates = policies, index_sync, rates

    def refuse_mismatch(
        self, session: Session, gallery: Collection, probes: Matrix, known: Person
    ) -> None:
        """Verifies photos of one person, shape (n, dimension), 1:1 against the known person.

        One of them must match. A person without templates accepts any. Raises DifferentPerson.
        """
        templates = support_set(session, gallery, known)
        if not len(templates):
            return
        policy = self._policies.of_gallery(session, gallery).policy
        limit = policy.for_fmr(self._rates.mismatch_fmr)
        compared = with_mean(templates)
        rejected = rejected_vectors(session, gallery, [known.row_id]).get(known.row_id)
        judgements = [policy.judge_best(probe, compared, limit, rejected) for probe in probes]
        judgement = max(judgements, key=lambda one: one.similarity - one.threshold)
        if not judgement.matches:
            raise DifferentPerson(
                known.person_id, known.name, judgement.similarity, judgement.threshold
            )

    def refuse_duplicate(
        self, session: Session, gallery: Collection, probe: Matrix, person_id: str | None
    ) -> PossibleDuplicate | None:
        """Searches people other than `person_id`. Raises AlreadyEnrolled for a match.

        A person who only reaches the threshold of a verification is returned.
        """
        rules = self._policies.of_gallery(session, gallery)
        policy = rules.policy
        limit = policy.for_search(self._rates.duplicate_fpir, gallery.size)
        search = Search(policy, limit, gallery)
        # One more than a search needs: `person_id` may be among them.
        [nearest] = nearest_people(
            session, self._index_sync, gallery, probe, SEARCHED + 1, search.corrections
        )
        others = [found for found in nearest if found.person.person_id != person_id]
        if not others:
            return None
        best, person = search.judge(probe[0], others)[0], others[0].person
        if best.judgement.matches:
            raise AlreadyEnrolled(
                person.person_id, person.name, best.judgement.similarity, best.judgement.threshold
            )
        [own] = policy.corrections(probe).tolist()
        verified = policy.judge(
            others[0].similarity,
            own + others[0].correction,
            rules.verify_limit(DecisionOptions()),
        )
        return PossibleDuplicate(person, verified) if verified.matches else None
