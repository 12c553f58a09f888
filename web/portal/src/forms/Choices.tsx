import type { AnswerValue } from "@qingshan/client";
import { Input, Select } from "antd";
import { useId, type KeyboardEvent } from "react";
import { useTexts } from "../language";
import { isRepeatingGroup } from "./filled";
import { useAnswers, useAround } from "./FormView";
import type { AnswerProps } from "./Question";
import { controlOf, keyOf, labelOf, ownOptions, saysScore, scoreOf, textIn } from "./questionnaire";
import type { Field } from "./settle";

/** More than this many choices are looked for rather than looked at. */
const MOST_IN_SIGHT = 12;

interface Choosable {
  key: string;
  value: AnswerValue;
  label: string;
  score: number | undefined;
}

/** What may be chosen, in the reader's language. */
function useChoosable({ item, slots }: Field): Choosable[] {
  const { locale } = useTexts();
  const { knowledge } = useAround();
  const listed = item.answerValueSet === undefined ? [] : (knowledge.lists.get(item.answerValueSet) ?? []);
  const values: AnswerValue[] = [...ownOptions(item).map(({ value }) => value), ...listed.map((valueCoding) => ({ valueCoding }))];
  const keys = new Set(values.map(keyOf));
  // What stands in the form and is not listed stays to be seen.
  for (const { value } of slots) if (value?.valueCoding !== undefined && !keys.has(keyOf(value))) values.push(value);
  return values.map((value) => {
    const { valueCoding: coding } = value;
    const label = coding === undefined ? String(Object.values(value)[0]) : textIn(locale, coding.display, coding._display) || (coding.code ?? "");
    return { key: keyOf(value), value, label, score: scoreOf(coding) };
  });
}

/** One of several: all in sight where they are few, arrows choose, a digit chooses the score. */
export function Scale({ field, id, describedBy, isWrong }: AnswerProps) {
  const { t, locale } = useTexts();
  const asked = labelOf(locale, field.item);
  const name = useId();
  const answer = useAnswers(field);
  const options = useChoosable(field);
  const [slot] = field.slots;
  const chosen = slot?.value === undefined || slot.value.valueString !== undefined ? undefined : keyOf(slot.value);
  const isOpen = field.item.type === "open-choice";
  if (options.length > MOST_IN_SIGHT || ["drop-down", "autocomplete"].includes(controlOf(field.item) ?? "")) {
    return (
      <>
        <Select
          id={id}
          className="form-select"
          aria-label={asked}
          showSearch={{ optionFilterProp: "label" }}
          allowClear
          aria-describedby={describedBy}
          {...(isWrong && { status: "error" as const })}
          placeholder={t("form.choose")}
          getPopupContainer={(trigger: HTMLElement) => trigger.parentElement ?? trigger}
          options={options.map(({ key, label, score }) => ({
            value: key,
            label: score === undefined || saysScore(label, score) ? label : `${label} · ${t("form.score", { score })}`,
          }))}
          value={chosen ?? null}
          onChange={(key: string | null) => {
            const option = options.find((one) => one.key === key);
            answer(option === undefined ? [] : [{ value: option.value }]);
          }}
        />
        {isOpen && <Other field={field} />}
      </>
    );
  }
  const press = (event: KeyboardEvent<HTMLDivElement>) => {
    if (!/^\d$/.test(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!(event.target instanceof HTMLInputElement) || event.target.type !== "radio") return;
    const scored = options.some(({ score }) => score !== undefined);
    const place = options.findIndex(({ score }, index) => (scored ? score === Number(event.key) : index + 1 === Number(event.key)));
    const option = options[place];
    if (option === undefined) return;
    event.preventDefault();
    answer([{ value: option.value }]);
    event.currentTarget.querySelectorAll<HTMLElement>("input[type=radio]")[place]?.focus();
  };
  // Short words stand side by side, sentences below one another.
  const isRow = options.every(({ label }) => label.length <= 8);
  return (
    <>
      <div className={isRow ? "form-scale is-row" : "form-scale"} role="radiogroup" onKeyDown={press}>
        {options.map(({ key, value, label, score }) => (
          <label key={key} className={key === chosen ? "is-chosen" : ""}>
            <input type="radio" name={name} checked={key === chosen} aria-invalid={isWrong} onChange={() => answer([{ value }])} />
            <span className="form-scale-label">{label}</span>
            {score !== undefined && !saysScore(label, score) && <span className="form-score number">{t("form.score", { score })}</span>}
          </label>
        ))}
      </div>
      {isOpen && <Other field={field} />}
      {chosen !== undefined && (
        <button type="button" className="inline-button form-clear" tabIndex={-1} onClick={() => answer([])}>
          {t("form.clear")}
        </button>
      )}
    </>
  );
}

/** Something else than what is listed. */
function Other({ field }: { field: Field }) {
  const { t } = useTexts();
  const answer = useAnswers(field);
  const own = field.slots.find(({ value }) => value?.valueString !== undefined)?.value?.valueString ?? "";
  return (
    <Input
      className="form-other"
      aria-label={t("form.other")}
      placeholder={t("form.other")}
      value={own}
      onChange={({ target }) => {
        const kept = isRepeatingGroup(field.item) || field.item.repeats !== true ? [] : field.slots.filter(({ value }) => value?.valueString === undefined);
        answer(target.value === "" ? kept : [...kept, { value: { valueString: target.value } }]);
      }}
    />
  );
}

/** Several of several. */
export function Several({ field, isWrong }: AnswerProps) {
  const { t, locale } = useTexts();
  const asked = labelOf(locale, field.item);
  const answer = useAnswers(field);
  const options = useChoosable(field);
  const chosen = field.slots.flatMap(({ value }) => (value === undefined ? [] : [keyOf(value)]));
  const isOpen = field.item.type === "open-choice";
  const choose = (keys: readonly string[]) => {
    const own = field.slots.filter(({ value }) => value?.valueString !== undefined);
    answer([...options.filter(({ key }) => keys.includes(key)).map(({ value }) => ({ value })), ...own]);
  };
  if (options.length > MOST_IN_SIGHT) {
    return (
      <>
        <Select
          mode="multiple"
          className="form-select"
          aria-label={asked}
          showSearch={{ optionFilterProp: "label" }}
          {...(isWrong && { status: "error" as const })}
          placeholder={t("form.choose")}
          getPopupContainer={(trigger: HTMLElement) => trigger.parentElement ?? trigger}
          options={options.map(({ key, label }) => ({ value: key, label }))}
          value={chosen}
          onChange={choose}
        />
        {isOpen && <Other field={field} />}
      </>
    );
  }
  return (
    <>
      <div className={options.every(({ label }) => label.length <= 8) ? "form-scale is-row" : "form-scale"}>
        {options.map(({ key, label }) => (
          <label key={key} className={chosen.includes(key) ? "is-chosen" : ""}>
            <input
              type="checkbox"
              checked={chosen.includes(key)}
              aria-invalid={isWrong}
              onChange={({ target }) => choose(target.checked ? [...chosen, key] : chosen.filter((one) => one !== key))}
            />
            <span className="form-scale-label">{label}</span>
          </label>
        ))}
      </div>
      {isOpen && <Other field={field} />}
    </>
  );
}

/** Yes, no, or not answered, which is neither. */
export function YesNo({ field, isWrong }: AnswerProps) {
  const { t } = useTexts();
  const name = useId();
  const answer = useAnswers(field);
  const chosen = field.slots[0]?.value?.valueBoolean;
  return (
    <>
      <div className="form-scale is-row" role="radiogroup">
        {[true, false].map((value) => (
          <label key={String(value)} className={chosen === value ? "is-chosen" : ""}>
            <input type="radio" name={name} checked={chosen === value} aria-invalid={isWrong} onChange={() => answer([{ value: { valueBoolean: value } }])} />
            {t(value ? "form.yes" : "form.no")}
          </label>
        ))}
      </div>
      {chosen !== undefined && (
        <button type="button" className="inline-button form-clear" tabIndex={-1} onClick={() => answer([])}>
          {t("form.clear")}
        </button>
      )}
    </>
  );
}
