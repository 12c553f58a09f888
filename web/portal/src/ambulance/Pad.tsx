import { useState } from "react";
import { useTexts } from "../language";
import { readValue, type Measure } from "../patients/vitals";

/** A pad of large keys on which one value after another is typed; a value that is unusual is pressed twice. */
export function Pad(props: { title: string; fields: readonly { label: string; measure: Measure }[]; onDone(values: number[]): void; onClose(): void }) {
  const { title, fields, onDone, onClose } = props;
  const { t } = useTexts();
  const [typed, setTyped] = useState<string[]>(() => fields.map(() => ""));
  const [place, setPlace] = useState(0);
  const [asked, setAsked] = useState("");
  const [isTried, setIsTried] = useState(false);
  const current = fields[place];
  if (current === undefined) return null;
  const readings = fields.map(({ measure }, index) => readValue(measure, typed[index] ?? ""));
  const reading = readings[place];
  const print = typed.join("/");
  const isUnusual = reading?.ok === true && reading.isUnusual;
  const isAsking = asked === print && isUnusual;
  const press = (key: string) => {
    setIsTried(false);
    setTyped((old) => old.map((text, index) => (index !== place ? text : key === "⌫" ? text.slice(0, -1) : text.length < 5 ? text + key : text)));
  };
  const enter = () => {
    setIsTried(true);
    if (reading?.ok !== true) return;
    if (isUnusual && !isAsking) return setAsked(print);
    const values = readings.map((one) => (one.ok ? one.value : Number.NaN));
    if (place < fields.length - 1) {
      setPlace(place + 1);
      return setIsTried(false);
    }
    const [upper = 0, lower] = values;
    if (lower !== undefined && upper <= lower) return;
    onDone(values);
  };
  const [least, most] = current.measure.possible;
  const isReversed = isTried && place === 1 && reading?.ok === true && Number(typed[0]) <= Number(typed[1]);
  const note = isReversed
    ? t("vitals.order")
    : isAsking
      ? t("ambulance.unusual")
      : isTried && reading?.ok === false
        ? t("vitals.impossible", { least, most, unit: current.measure.shown })
        : "";
  return (
    <div className="ambulance-pad" role="dialog" aria-modal aria-label={title}>
      <div className="ambulance-typed">
        {fields.map((field, index) => (
          <button key={field.label} type="button" aria-pressed={index === place} onClick={() => setPlace(index)}>
            <span>{field.label}</span>
            <output>{typed[index] || "–"}</output>
            <span>{field.measure.shown}</span>
          </button>
        ))}
        <p className="ambulance-note" role="alert">
          {note}
        </p>
        <button type="button" className="ambulance-key" onClick={onClose}>
          {t("ambulance.cancel")}
        </button>
      </div>
      <div className="ambulance-keys">
        {["1", "2", "3", "4", "5", "6", "7", "8", "9", current.measure.decimals > 0 ? "." : "", "0", "⌫"].map((key, index) =>
          key === "" ? (
            <span key={index} />
          ) : (
            <button key={key} type="button" className="ambulance-key" aria-label={key === "⌫" ? t("ambulance.erase") : key} onClick={() => press(key)}>
              {key}
            </button>
          ),
        )}
        <button type="button" className="ambulance-key ambulance-enter" onClick={enter}>
          {t(isAsking ? "ambulance.enter.sure" : place < fields.length - 1 ? "ambulance.enter.next" : "ambulance.enter")}
        </button>
      </div>
    </div>
  );
}
