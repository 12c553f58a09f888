import type { Questionnaire } from "@qingshan/client";
import { Button } from "antd";
import { createContext, useContext, useEffect, useId, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { useTexts } from "../language";
import { withoutTime, withSlots, withTime, type Filled, type Knowledge } from "./filled";
import { Question } from "./Question";
import { controlOf, labelOf, textIn } from "./questionnaire";
import { faultsOf, settle, type Fault, type Field, type Settled } from "./settle";
import type { Problem, Slot } from "./values";
import "./forms.css";

/** A form that is being filled in. */
export interface Filling {
  form: Questionnaire;
  settled: Settled;
  faults: readonly Fault[];
  /** Whether what is missing is said; not before somebody thinks that they are done. */
  isTried: boolean;
  knowledge: Knowledge;
  /** The element in which it stands. */
  id: string;
  change(next: (filled: Filled) => Filled): void;
  /** Says what is missing and goes there; gives whether nothing is. */
  check(): boolean;
}

/** Fills in a form. What stands in it is the caller's, so that it can be kept. */
export function useFilling(form: Questionnaire, knowledge: Knowledge, filled: Filled, change: (filled: Filled) => void): Filling {
  const { locale } = useTexts();
  const id = useId();
  const [isTried, setIsTried] = useState(false);
  const settled = useMemo(() => settle(form, filled, knowledge), [form, filled, knowledge]);
  const faults = useMemo(() => faultsOf(form, settled, knowledge, locale), [form, settled, knowledge, locale]);
  const latest = useRef(filled);
  latest.current = filled;
  return {
    form,
    settled,
    faults,
    isTried,
    knowledge,
    id,
    change(next) {
      // Two changes of one moment build on one another.
      latest.current = next(latest.current);
      change(latest.current);
    },
    check() {
      setIsTried(true);
      const [first] = faults;
      if (first !== undefined) requestAnimationFrame(() => focusOn(id, first.field.key));
      return first === undefined;
    },
  };
}

const Context = createContext<Filling | undefined>(undefined);

/** The form around a question. */
export function useAround(): Filling {
  const filling = useContext(Context);
  if (filling === undefined) throw new Error("a question stands in a form");
  return filling;
}

/** Where a question stands on the page. */
export const placeOf = (form: string, key: string): string => `${form}-${key}`;

/** Moves to the first thing of a question that takes an answer. */
export function focusOn(form: string, key: string): void {
  const place = document.getElementById(placeOf(form, key));
  const target = place?.querySelector<HTMLElement>("input:checked, input:not([disabled]), textarea, select, button") ?? place;
  target?.focus();
  place?.scrollIntoView({ block: "center" });
}

/** Moves to the first question of a form. */
export function focusFirst(form: string): void {
  const element = document.getElementById(form);
  const [first] = element === null ? [] : stops(element);
  first?.focus();
}

/** What takes an answer, in the order of the form; of the choices of one question only the one that is reached by Tab. */
function stops(form: HTMLElement): HTMLElement[] {
  const all = [...form.querySelectorAll<HTMLElement>("[data-answer] :is(input, textarea, select, button[data-stop])")];
  const groups = new Set<string>();
  return all.filter((one) => {
    if (!(one instanceof HTMLInputElement)) return true;
    if (one.disabled || one.readOnly || one.type === "file") return false;
    if (one.type !== "radio") return true;
    const chosen = form.querySelector(`input[name="${CSS.escape(one.name)}"]:checked`);
    if (groups.has(one.name) || (chosen !== null && chosen !== one)) return false;
    groups.add(one.name);
    return true;
  });
}

/**
 * A form as it is filled in: Tab and Enter go on to the next question, arrows choose within one.
 *
 * @param onDone Ctrl and Enter were pressed, or Enter behind the last question
 */
export function FormView({ filling, onDone }: { filling: Filling; onDone(): void }) {
  const { t, locale } = useTexts();
  const { form, settled, id, isTried, faults } = filling;
  const move = (event: KeyboardEvent<HTMLDivElement>) => {
    // Enter that takes a word of an input method is not Enter.
    if (event.key !== "Enter" || event.nativeEvent.isComposing || event.defaultPrevented) return;
    const { target } = event;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      onDone();
      return;
    }
    if (!(target instanceof HTMLInputElement) || target.type === "file" || target.getAttribute("aria-expanded") === "true") return;
    event.preventDefault();
    const places = stops(event.currentTarget);
    const here = places.findIndex((one) => one === target || (one instanceof HTMLInputElement && one.type === "radio" && one.name === target.name));
    const next = places[here + 1];
    if (next === undefined) onDone();
    else next.focus();
  };
  return (
    <Context value={filling}>
      <div className="form" id={id} onKeyDown={move}>
        {form.title !== undefined && <h2 className="form-title">{textIn(locale, form.title, form._title)}</h2>}
        {isTried && faults.length > 0 && <Faults faults={faults} />}
        <div className="form-items">
          <Fields fields={settled.fields} />
        </div>
        <p className="hint form-keys">{t("form.keys")}</p>
      </div>
    </Context>
  );
}

/** What is missing, each with the way to it. */
function Faults({ faults }: { faults: readonly Fault[] }) {
  const { t, locale } = useTexts();
  const { id } = useAround();
  const named = [...new Map(faults.map((fault) => [fault.field.key, fault])).values()];
  return (
    <section className="form-faults" role="alert">
      <strong>{t("form.faults", { count: named.length })}</strong>
      <ul>
        {named.map(({ field, problem }) => (
          <li key={field.key}>
            <button type="button" className="inline-button" onClick={() => focusOn(id, field.key)}>
              {labelOf(locale, field.item)}
            </button>
            <span className="what">{useProblem(problem)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** A problem in words. */
export function useProblem(problem: Problem): string {
  const { t } = useTexts();
  const { human } = problem.places ?? {};
  if (problem.kind === "rule" && typeof human === "string" && human !== "") return human;
  return t(`form.problem.${problem.kind}`, problem.places);
}

function Fields({ fields }: { fields: readonly Field[] }) {
  const shown = fields.filter(({ isEnabled, isHidden, item }) => isEnabled && !isHidden && controlOf(item) !== "help");
  return shown.map((field) => {
    if (field.item.type !== "group") return <Question key={field.key} field={field} within={<Fields fields={field.fields} />} />;
    return field.times === undefined ? <Group key={field.key} field={field} /> : <Times key={field.key} field={field} />;
  });
}

function Group({ field }: { field: Field }) {
  const { locale } = useTexts();
  const { id } = useAround();
  return (
    <fieldset className="form-group" id={placeOf(id, field.key)} tabIndex={-1}>
      {field.item.text !== undefined && <legend>{labelOf(locale, field.item)}</legend>}
      <Helps field={field} />
      <div className="form-items">
        <Fields fields={field.fields} />
      </div>
    </fieldset>
  );
}

/** What helps with an item, where it is said within it. */
export function Helps({ field }: { field: Field }) {
  const { locale } = useTexts();
  const helps = field.fields.filter(({ item }) => item.type === "display" && controlOf(item) === "help");
  return helps.map(({ key, item }) => (
    <p key={key} className="note note-help">
      {textIn(locale, item.text, item._text)}
    </p>
  ));
}

/** A group as often as it is needed, such as a list of medicines. */
function Times({ field }: { field: Field }) {
  const { t, locale } = useTexts();
  const { id, change, faults, isTried } = useAround();
  const label = labelOf(locale, field.item);
  const times = field.times ?? [];
  const added = useRef<string>(undefined);
  const problem = faults.find((fault) => fault.field.key === field.key)?.problem;
  useEffect(() => {
    const first = times.find(({ time }) => time === added.current)?.fields[0];
    if (first === undefined) return;
    added.current = undefined;
    focusOn(id, first.key);
  }, [times, id]);
  const add = () =>
    change((filled) => {
      const next = withTime(filled, field.key);
      added.current = next.time;
      return next.filled;
    });
  return (
    <section className="form-times" id={placeOf(id, field.key)} tabIndex={-1} aria-label={label}>
      <h3>{label}</h3>
      <Helps field={field} />
      {times.length === 0 && <p className="hint">{t("form.times.none")}</p>}
      {times.map(({ time, fields }, place) => (
        <fieldset className="form-time" key={time}>
          <legend>{t("form.times.one", { label, place: place + 1 })}</legend>
          <div className="form-items">
            <Fields fields={fields} />
          </div>
          {!field.isFixed && (
            <Button
              size="small"
              className="form-remove"
              aria-label={t("form.times.remove.one", { label, place: place + 1 })}
              onClick={() => change((filled) => withoutTime(filled, field.key, time))}
            >
              {t("form.times.remove")}
            </Button>
          )}
        </fieldset>
      ))}
      {isTried && problem !== undefined && <span className="note note-error">{useProblem(problem)}</span>}
      {!field.isFixed && (
        <span data-answer>
          <Button data-stop onClick={add}>
            {t("form.times.add", { label })}
          </Button>
        </span>
      )}
    </section>
  );
}

/** Changes the answers of one question. */
export function useAnswers(field: Field): (slots: readonly Slot[]) => void {
  const { change } = useAround();
  return (slots) => change((filled) => withSlots(filled, field.key, slots));
}
