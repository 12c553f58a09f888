import type { Outcome, Protocol, RunClock, RunStep, RunView } from "@qingshan/client";

const isOpen = ({ state }: RunStep) => state === "ready" || state === "taken";

/** The steps that can be done now and could not before; what whoever acted may do themselves comes first. */
export function followed(before: RunView, after: RunView): RunStep[] {
  const known = new Set(before.steps.filter(isOpen).map(({ task }) => task));
  const fresh = after.steps.filter((step) => isOpen(step) && !known.has(step.task));
  return fresh.sort((left, right) => Number(right.may) - Number(left.may));
}

/** What a step could bring about, by being taken on or done, with its outcomes or without. */
function reachedBy(protocol: Protocol, code: string): Set<string> {
  const step = protocol.step?.find((one) => one.code === code);
  return new Set([...(step?.begins ?? []), ...(step?.reach ?? []), ...(step?.outcome ?? []).flatMap(({ reach }) => reach ?? [])]);
}

/** The clocks that run and that doing a step would stop, the first to break before the others. */
export function clocksOf(protocol: Protocol | undefined, run: RunView, step: RunStep): RunClock[] {
  const running = run.clocks.filter((clock) => clock.stopped === undefined && clock.cut !== true);
  const reach = protocol === undefined ? new Set<string>() : reachedBy(protocol, step.code);
  const own = running.filter(({ to }) => to.some((code) => reach.has(code)));
  const due = ({ breach }: RunClock) => (breach === undefined ? Number.POSITIVE_INFINITY : Date.parse(breach));
  return own.sort((left, right) => due(left) - due(right));
}

/** Whether an outcome ends what was asked for, or needs a reason: it stands apart, so that no finger slips onto it. */
export function isGrave(protocol: Protocol | undefined, code: string, outcome: Outcome): boolean {
  if (outcome.reasons !== undefined) return true;
  const defined = protocol?.step?.find((one) => one.code === code)?.outcome?.find((one) => one.code === outcome.code);
  const ends = (defined?.reach ?? []).map((reached) => protocol?.milestone?.find((one) => one.code === reached)?.ends);
  return ends.some((end) => end !== undefined && end !== "completed");
}
