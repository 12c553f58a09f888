import type { Protocol, RunView } from "@qingshan/client";
import { useEffect, useMemo, useRef } from "react";
import { Link } from "wouter";
import { useTexts, type Texts } from "../language";
import { bounds, dayAt, minuteAt } from "../calendar";
import { BEGIN, graphOf, latest, narrowed, standing, type GraphBox, type Of } from "./graph";
import { usual } from "./layout";
import { StepSign } from "./StepSign";
import { say } from "./words";

/** Sizes are told in rem, so that large type makes the whole drawing larger. */
const rem = (pixels: number) => `${pixels / 16}rem`;

/** A minute as short as it can be told: the day only when it is another one. */
export function shortMinute(when: string, now: number): string {
  const moment = bounds(when)?.from;
  if (moment === undefined) return when;
  const minute = minuteAt(moment);
  return dayAt(moment) === dayAt(now) ? minute.slice(11) : minute.slice(5);
}

function useGraph(protocol: Protocol, run: RunView | undefined, of: Of | undefined) {
  const wanted = JSON.stringify(of ?? narrowed(protocol, run));
  return useMemo(() => graphOf(protocol, JSON.parse(wanted) as Of), [protocol, wanted]);
}

/** A protocol as a drawing, or a run of it: who does what in lanes, what leads to what as lines from the milestones. */
export function Graph({ protocol, run, of }: { protocol: Protocol; run?: RunView | undefined; of?: Of }) {
  const { t, locale } = useTexts();
  const graph = useGraph(protocol, run, of);
  const { drawing } = graph;
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // A long drawing begins where something is to be done.
    const open = frame.current?.querySelector<HTMLElement>(".is-blocking, .is-ready, .is-taken")?.parentElement;
    if (open != null) frame.current?.scrollTo({ top: open.offsetTop - frame.current.clientHeight / 3, left: open.offsetLeft - frame.current.clientWidth / 2 });
  }, [graph]);
  const place = new Map(drawing.boxes.map((box) => [box.id, box]));
  const isReached = (code: string) => standing(run, code) !== undefined;
  return (
    <div ref={frame} className={run === undefined ? "graph" : "graph is-run"} role="group" aria-label={t("graph.label")} tabIndex={0}>
      <div className="graph-sheet" style={{ width: rem(drawing.width), height: rem(drawing.height) }}>
        {graph.lanes.map((lane, index) => {
          const at = drawing.lanes[index];
          return (
            <div key={lane.code} className="graph-lane" style={{ left: rem(at?.x ?? 0), width: rem(at?.width ?? 0) }}>
              <strong>{say(locale, lane.title)}</strong>
            </div>
          );
        })}
        <svg viewBox={`0 0 ${drawing.width} ${drawing.height}`} style={{ width: rem(drawing.width), height: rem(drawing.height) }} aria-hidden>
          {graph.lines.map((line, index) => {
            const shape = drawing.lines[index];
            const kinds = [isReached(line.port) && "is-reached", line.isOneOf && "is-one-of", shape?.isBack && "is-back"];
            return <path key={index} className={kinds.filter(Boolean).join(" ")} d={shape?.path ?? ""} />;
          })}
        </svg>
        {/* In the order of reading, which is that of the rows and not that of the text. */}
        {[...graph.boxes]
          .sort((left, right) => (place.get(left.id)?.row ?? 0) - (place.get(right.id)?.row ?? 0))
          .map((box) => (
            <div key={box.id} className="graph-place" style={{ left: rem(place.get(box.id)?.x ?? 0), top: rem(place.get(box.id)?.y ?? 0), width: rem(usual.width) }}>
              <BoxOf box={box} run={run} />
            </div>
          ))}
      </div>
    </div>
  );
}

function BoxOf({ box, run, isBrief = false }: { box: GraphBox; run: RunView | undefined; isBrief?: boolean }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const found = box.step && latest(run, box.step.code);
  const state = found?.step.state;
  const isBlocking = box.step !== undefined && run?.blocking.includes(box.step.code) === true;
  const kind = [
    "graph-box",
    box.step === undefined ? "is-event" : state === undefined ? "is-plan" : `is-${state}`,
    isBlocking && "is-blocking",
  ];
  const title = box.step === undefined ? t(box.id === BEGIN ? "graph.begin" : "graph.event") : say(locale, box.step.title);
  const inside = (
    <>
      <span className="graph-title" title={title}>
        {title}
      </span>
      <span className="graph-state" title={found && t(`step.state.${found.step.state}`)}>
        {state !== undefined && <StepSign state={state} />}
        {box.step === undefined ? eventOf(texts, box) : state === undefined ? planOf(texts, box) : stateOf(texts, found, isBlocking)}
      </span>
    </>
  );
  const task = found?.step.task;
  return (
    <>
      {task === undefined ? (
        <div className={kind.filter(Boolean).join(" ")} style={{ height: rem(usual.height) }}>
          {inside}
        </div>
      ) : (
        <Link className={kind.filter(Boolean).join(" ")} style={{ height: rem(usual.height) }} href={`/tasks/${encodeURIComponent(task)}`}>
          {inside}
        </Link>
      )}
      {box.reached.filter(({ code }) => !isBrief || standing(run, code) !== undefined).map((milestone) => {
        const reached = standing(run, milestone.code);
        const name = say(locale, milestone.title);
        return (
          <div key={milestone.code} className={reached === undefined ? "graph-port" : "graph-port is-reached"} style={{ height: rem(usual.port) }} title={name}>
            <span aria-hidden>{reached === undefined ? "◇" : "◆"}</span>
            <span className="graph-port-name">{name}</span>
            {reached !== undefined && <time>{shortMinute(reached.at, Date.parse(run?.now ?? ""))}</time>}
            {milestone.ends !== undefined && <span aria-label={t("graph.ends")}>■</span>}
          </div>
        );
      })}
    </>
  );
}

/** Where a step stands, in words. */
export function stateOf({ t }: Texts, found: ReturnType<typeof latest>, isBlocking: boolean): string {
  if (found === undefined) return t("step.state.waiting");
  const { step, times } = found;
  const wanted = step.acknowledgements ?? 0;
  const isOpen = step.state === "ready" || step.state === "taken";
  const parts: string[] = [];
  if (wanted > 0 && isOpen) parts.push(t("step.acknowledged", { count: step.acknowledged?.length ?? 0, wanted }));
  // That everything waits for it says that it is open, and there is not much room.
  else parts.push(isBlocking && isOpen ? t("step.blocking") : t(`step.state.${step.state}`));
  if (times > 1) parts.push(t("step.times", { count: times }));
  return parts.join(" · ");
}

/** What is to be known of a step before it runs. */
function planOf({ t }: Texts, { step }: GraphBox): string {
  const outcomes = (step?.outcome ?? []).some((outcome) => outcome.form !== undefined);
  const parts = [
    step?.automatic && t("step.automatic"),
    step?.protocol && t("step.protocol"),
    (step?.form !== undefined || outcomes) && t("step.form"),
    (step?.acknowledgements ?? 0) > 0 && t("step.acknowledgements", { count: step?.acknowledgements ?? 0 }),
    step?.when !== undefined && t("step.when"),
    step?.optional && t("step.optional"),
    (step?.again ?? []).length > 0 && t("step.again"),
  ];
  return parts.filter(Boolean).join(" · ");
}

function eventOf({ t }: Texts, box: GraphBox): string {
  if (box.id === BEGIN) return "";
  return t(box.reached[0]?.fact === undefined ? "graph.byPlatform" : "graph.byFact");
}

/**
 * The same as a list by lanes, for screens that are too narrow for a drawing. Of a run what is open stands first, and
 * what has not begun is folded away.
 */
export function Lanes({ protocol, run, of }: { protocol: Protocol; run?: RunView | undefined; of?: Of }) {
  const { t, locale } = useTexts();
  const graph = useGraph(protocol, run, of);
  const rows = new Map(graph.drawing.boxes.map((box) => [box.id, box.row]));
  const lanes = graph.lanes.map((lane, index) => {
    const steps = graph.boxes
      .filter((box) => box.lane === index && box.step !== undefined)
      .sort((left, right) => (rows.get(left.id) ?? 0) - (rows.get(right.id) ?? 0));
    const stateOfBox = (box: GraphBox) => latest(run, box.step?.code ?? "")?.step.state;
    const isAhead = (box: GraphBox) => run !== undefined && FOLDED.has(stateOfBox(box) ?? "waiting");
    const isOpen = steps.some((box) => ["ready", "taken"].includes(stateOfBox(box) ?? ""));
    return { lane, shown: steps.filter((box) => !isAhead(box)), folded: steps.filter(isAhead), isOpen };
  });
  const list = (boxes: readonly GraphBox[]) =>
    boxes.map((box) => (
      <div key={box.id} className="lane-step">
        <BoxOf box={box} run={run} isBrief={run !== undefined} />
      </div>
    ));
  return (
    <div className="lanes">
      {[...lanes]
        .sort((left, right) => Number(right.isOpen) - Number(left.isOpen))
        .map(({ lane, shown, folded }) => (
          <section key={lane.code} className="lane">
            <h3>{say(locale, lane.title)}</h3>
            {list(shown)}
            {folded.length > 0 && (
              <details>
                <summary>{t("graph.folded", { count: folded.length })}</summary>
                {list(folded)}
              </details>
            )}
          </section>
        ))}
    </div>
  );
}

/** States of steps that nobody has anything to do with yet, or any more. */
const FOLDED: ReadonlySet<string> = new Set(["waiting", "unknown", "not-applicable", "cancelled"]);
