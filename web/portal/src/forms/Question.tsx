import { Button, Input } from "antd";
import { useId, useState, type ReactNode } from "react";
import { minuteAt, dayAt, timeAt } from "../calendar";
import { cited } from "../citations";
import { useTexts } from "../language";
import { Scale, Several, YesNo } from "./Choices";
import { FileAnswer } from "./FileAnswer";
import { afterPress } from "./press";
import { focusOn, Helps, placeOf, useAnswers, useAround, useProblem } from "./FormView";
import { PlaceAnswer } from "../places/PlaceAnswer";
import { useBrought } from "../routing/where";
import { ReferenceAnswer } from "./ReferenceAnswer";
import { labelOf, rangeOf, shapeOf, sourceOf, targetsOf, textIn, unitOf } from "./questionnaire";
import type { Field } from "./settle";
import { shownUnit } from "./units";
import { isTyped, problemOf, readTyped, typedOf, type Problem, type Slot } from "./values";

/** What an answer takes from the question around it. */
export interface AnswerProps {
  field: Field;
  id: string;
  describedBy: string | undefined;
  isWrong: boolean;
}

/** Kinds that need the whole width. */
const WIDE = new Set(["text", "display", "attachment", "group"]);

/** Whether a question is answered by a place that is held. */
const isPlace = (item: Field["item"]) => item.type === "reference" && targetsOf(item).join() === "Appointment";

/** One question with its answer, what helps, and what is wrong. */
export function Question({ field, within }: { field: Field; within: ReactNode }) {
  const { locale, t } = useTexts();
  const { id: form, faults, isTried } = useAround();
  const [isLeft, setIsLeft] = useState(false);
  const id = useId();
  const { item, key, slots } = field;
  const isHospital = useBrought() !== undefined && item.type === "reference" && targetsOf(item).join() === "Organization";
  if (item.type === "display") {
    return (
      <p className="form-display is-wide" id={placeOf(form, key)}>
        {textIn(locale, item.text, item._text)}
      </p>
    );
  }
  const fault = faults.find((one) => one.field.key === key)?.problem;
  // What is wrong is said once somebody has gone on; that something is missing, once they want to be done.
  const typedWrong = isLeft ? slots.map((slot) => problemOf(item, slot)).find((problem) => problem !== undefined) : undefined;
  const problem = (isTried ? fault : undefined) ?? typedWrong;
  const answer: AnswerProps = { field, id, describedBy: `${id}-note`, isWrong: problem !== undefined };
  const isChoice = item.type === "choice" || item.type === "open-choice" || item.type === "boolean";
  const isWide = isHospital || WIDE.has(item.type) || isPlace(item) || item.repeats === true || field.fields.some((one) => one.item.type !== "display");
  const label = (
    <>
      {item.prefix !== undefined && <span className="form-prefix">{item.prefix} </span>}
      {labelOf(locale, item)}
      {item.required === true && !field.isFixed && (
        <span className="form-must" title={t("form.must")}>
          <span aria-hidden> *</span>
          <span className="read-out">{t("form.must")}</span>
        </span>
      )}
    </>
  );
  const notes = (
    <div id={`${id}-note`}>
      <Helps field={field} />
      {problem !== undefined && <Wrong problem={problem} />}
    </div>
  );
  const leave = () => afterPress(() => setIsLeft(true));
  return (
    <div
      className={isWide ? "form-question is-wide" : "form-question"}
      id={placeOf(form, key)}
      onBlur={leave}
      data-answer={field.isFixed ? undefined : ""}
    >
      {field.isFixed ? (
        <Fixed field={field} label={label} />
      ) : isChoice || isPlace(item) ? (
        <fieldset className="field" aria-describedby={`${id}-note`}>
          <legend>{label}</legend>
          {isChoice ? <ChoiceAnswer {...answer} /> : <PlaceAnswer {...answer} />}
          {notes}
        </fieldset>
      ) : (
        <div className="field">
          <label htmlFor={id}>{label}</label>
          <OneAnswer {...answer} />
          {notes}
        </div>
      )}
      {within !== undefined && field.fields.length > 0 && <div className="form-items form-within">{within}</div>}
    </div>
  );
}

function Wrong({ problem }: { problem: Problem }) {
  return <span className="note note-error">{useProblem(problem)}</span>;
}

function ChoiceAnswer(props: AnswerProps) {
  if (props.field.item.type === "boolean") return <YesNo {...props} />;
  return props.field.item.repeats === true ? <Several {...props} /> : <Scale {...props} />;
}

function OneAnswer(props: AnswerProps) {
  const { item } = props.field;
  if (item.type === "reference") return <ReferenceAnswer {...props} />;
  if (item.type === "attachment") return <FileAnswer {...props} />;
  return item.repeats === true ? <TypedList {...props} /> : <Typed {...props} place={0} />;
}

/** An answer that is typed. */
function Typed({ field, id, describedBy, isWrong, place }: AnswerProps & { place: number }) {
  const { t } = useTexts();
  const answer = useAnswers(field);
  const { item, slots } = field;
  const slot = slots[place] ?? {};
  const type = (text: string) => {
    const reading = readTyped(item, text);
    const next: Slot = { text, ...(reading !== undefined && "value" in reading && { value: reading.value }) };
    answer(Object.assign([...slots], { [place]: next }));
  };
  const unit = shownUnit(unitOf(item));
  const { most } = shapeOf(item);
  const own = {
    id: place === 0 ? id : `${id}-${place}`,
    value: slot.text ?? "",
    "aria-describedby": describedBy,
    "aria-invalid": isWrong,
    "aria-required": item.required === true,
    status: isWrong ? ("error" as const) : ("" as const),
    autoComplete: "off",
    onChange: (event: { target: { value: string } }) => type(event.target.value),
  };
  if (item.type === "text") {
    return <Input.TextArea {...own} autoSize={{ minRows: 3, maxRows: 14 }} {...(most !== undefined && { count: { show: true, max: most } })} />;
  }
  const isNumber = ["integer", "decimal", "quantity"].includes(item.type);
  const isTime = ["date", "dateTime", "time"].includes(item.type);
  const hints = { date: t("form.date.example"), dateTime: t("form.dateTime.example"), time: t("form.time.example") };
  const { least, most: largest } = rangeOf(item);
  const range = isNumber && least !== undefined && largest !== undefined ? `${least}–${largest}` : undefined;
  const hint = isTime ? hints[item.type as keyof typeof hints] : range;
  return (
    <span className="form-typed">
      <Input
        {...own}
        className={isNumber || isTime ? "measure" : ""}
        inputMode={item.type === "integer" ? "numeric" : isNumber ? "decimal" : "text"}
        {...(unit !== "" && { suffix: unit })}
        {...(hint !== undefined && { placeholder: hint })}
        onBlur={() => {
          // What was understood is shown as it was understood.
          if (slot.value !== undefined && isTime) answer(Object.assign([...slots], { [place]: { ...slot, text: typedOf(slot.value) } }));
        }}
      />
      {isTime && (
        <Button tabIndex={-1} onClick={() => type(nowAs(item.type))}>
          {t(item.type === "date" ? "form.today" : "form.now")}
        </Button>
      )}
    </span>
  );
}

function nowAs(type: string): string {
  const now = Date.now();
  return type === "date" ? dayAt(now) : type === "time" ? timeAt(now).slice(0, 5) : minuteAt(now);
}

/** Several answers that are typed, with room for one more. */
function TypedList(props: AnswerProps) {
  const { t } = useTexts();
  const { field } = props;
  const answer = useAnswers(field);
  const count = Math.max(1, field.slots.length);
  return (
    <div className="form-list">
      {Array.from({ length: count }, (_, place) => (
        <div className="form-list-line" key={place}>
          <Typed {...props} place={place} />
          {count > 1 && (
            <Button size="small" onClick={() => answer(field.slots.filter((_, other) => other !== place))}>
              {t("form.times.remove")}
            </Button>
          )}
        </div>
      ))}
      <Button data-stop size="small" onClick={() => answer([...field.slots, ...(field.slots.length === 0 ? [{}] : []), {}])}>
        {t("form.more")}
      </Button>
    </div>
  );
}

/** A value nobody types: computed, or only to be read. One that lacks something says what, with the way there. */
function Fixed({ field, label }: { field: Field; label: ReactNode }) {
  const { t, locale } = useTexts();
  const { id: form } = useAround();
  const { item, slots, lacking } = field;
  const unit = shownUnit(unitOf(item));
  const source = sourceOf(item);
  const shown = slots.flatMap(({ value }) => {
    if (value === undefined) return [];
    if (value.valueBoolean !== undefined) return [t(value.valueBoolean ? "form.yes" : "form.no")];
    const { valueCoding: coding } = value;
    if (coding !== undefined) return [textIn(locale, coding.display, coding._display) || (coding.code ?? "")];
    if (value.valueReference !== undefined) return [value.valueReference.display ?? t("value.unnamed")];
    return [isTyped(item) ? typedOf(value) : ""];
  });
  return (
    <div className="form-fixed">
      <span className="form-fixed-label">{label}</span>
      <output aria-live="polite">
        <strong className="number">{shown.length === 0 ? "—" : shown.join(" · ")}</strong>
        {shown.length > 0 && unit !== "" && <span> {unit}</span>}
      </output>
      {lacking.length > 0 && (
        <span className="note form-lacking">
          {t("form.lacking")}
          {lacking.map((one) =>
            one.isEnabled && !one.isHidden && !one.isFixed ? (
              <button type="button" className="inline-button" key={one.key} onClick={() => focusOn(form, one.key)}>
                {labelOf(locale, one.item)}
              </button>
            ) : (
              <span key={one.key}> {labelOf(locale, one.item)}</span>
            ),
          )}
        </span>
      )}
      <Helps field={field} />
      {source !== undefined && <p className="note note-help">{t("suggestions.source", { source: cited(locale, source) })}</p>}
    </div>
  );
}
