"""Compares a photo that is to be enrolled with the people of the gallery."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import AlreadyEnrolled, DifferentPerson
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.policy import Judgement
from app.faces.people_search import PeopleSearcher, SearchRule
from app.store.collections import Collection
from app.store.people import Person
from app.store.rejections import rejected_vectors
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
        self, policies: DecisionPolicies, searcher: PeopleSearcher, rates: EnrollmentRates
    ) -> None:
        self._policies, self._searcher, self._rates = policies, searcher, rates

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
        rule = SearchRule(policy, limit, gallery)
        [others] = self._searcher.search(session, rule, probe, 1, [person_id])
        if not others:
            return None
        best = others[0].judgement
        if best.matches:
            person = others[0].person
            raise AlreadyEnrolled(person.person_id, person.name, best.similarity, best.threshold)
        correction = best.similarity - others[0].score
        verified = policy.judge(best.similarity, correction, rules.verify_limit(DecisionOptions()))
        return PossibleDuplicate(others[0].person, verified) if verified.matches else None
