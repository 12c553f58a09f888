import type { StepState } from "@qingshan/client";

/** One sign a state, so that nobody needs its colour. */
const SIGNS: Readonly<Record<StepState, string>> = {
  waiting: "○",
  unknown: "?",
  "not-applicable": "–",
  ready: "▶",
  taken: "◐",
  done: "✓",
  skipped: "↷",
  cancelled: "✕",
};

/** The sign of where a step stands. */
export function StepSign({ state }: { state: StepState }) {
  return (
    <span className={`step-sign step-sign-${state}`} aria-hidden>
      {SIGNS[state]}
    </span>
  );
}
