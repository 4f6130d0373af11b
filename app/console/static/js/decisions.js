// Decides again at another target rate, with the numbers that answers carry: a copy of what the service
// does (app/faces/decisions), so that a slider needs no request.

const HIGHEST_THRESHOLD = 0.999;

/** The threshold of an average pair at a false match rate; log(FMR) is linear between the knots. */
export function thresholdFor(curve, fmr) {
  const scores = [-1, ...curve.similarity];
  const logs = [0, ...curve.fmr.map(Math.log)];
  const wanted = Math.log(fmr);
  const last = scores.length - 1;
  let at = logs.findIndex((log) => log <= wanted);
  if (at === 0) return scores[0];
  if (at < 0) at = last; // beyond the last knot its slope goes on
  const slope = (scores[at] - scores[at - 1]) / (logs[at] - logs[at - 1]);
  return Math.min(scores[at] + (wanted - logs[at]) * slope, HIGHEST_THRESHOLD);
}

/** The false match rate that gives a false positive identification rate among so many people. */
export function fmrOf(fpir, people) {
  return Math.max(-Math.expm1(Math.log1p(-fpir) / Math.max(1, people)), Number.MIN_VALUE);
}

/** An answer of /identify as it would be at another target rate. */
export function identifiedAt(answer, curve, fpir) {
  const threshold = thresholdFor(curve, fmrOf(fpir, answer.gallery_size));
  const shift = threshold - answer.threshold;
  const faces = answer.faces.map((face) => {
    const candidates = face.candidates.map((one) => ({ ...one, threshold: shifted(one.threshold, shift) }));
    return { ...face, candidates, ...decide(candidates, answer.ambiguity_margin) };
  });
  return { ...answer, faces, threshold, target_fpir: fpir };
}

/** An answer of /verify as it would be at another target rate. */
export function verifiedAt(answer, curve, fmr) {
  const shift = thresholdFor(curve, fmr) - thresholdFor(curve, answer.target_fmr);
  const threshold = shifted(answer.threshold, shift);
  const verified = answer.similarity >= threshold;
  return { ...answer, threshold, verified, decision: verified ? "match" : "no_match", target_fmr: fmr };
}

function shifted(threshold, shift) {
  return Math.min(threshold + shift, HIGHEST_THRESHOLD);
}

function decide(candidates, margin) {
  const matching = candidates.filter((one) => one.similarity >= one.threshold);
  if (matching.length === 0 || matching[0] !== candidates[0]) return { decision: "unknown", person: null };
  const score = (one) => one.similarity - one.threshold;
  const ambiguous = matching.length > 1 && score(matching[0]) - score(matching[1]) < margin;
  return ambiguous ? { decision: "ambiguous", person: null } : { decision: "match", person: candidates[0] };
}
