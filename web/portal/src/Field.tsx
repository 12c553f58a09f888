import { useId, type ReactNode } from "react";

/** What an input takes from the field around it, so that label, help and error are read out with it. */
export interface FieldProps {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": boolean;
  status: "error" | "warning" | "";
}

/** A label, an input, and below it what helps, what is unusual or what is wrong, the gravest of them. */
export function Field(props: {
  label: string;
  help?: string | undefined;
  warning?: string | undefined;
  error?: string | undefined;
  children(field: FieldProps): ReactNode;
}) {
  const id = useId();
  const { label, help, warning, error, children } = props;
  const note = error ?? warning ?? help;
  const kind = error !== undefined ? "error" : warning !== undefined ? "warning" : "help";
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        "aria-describedby": note === undefined ? undefined : `${id}-note`,
        "aria-invalid": error !== undefined,
        status: kind === "help" ? "" : kind,
      })}
      {note !== undefined && (
        <span className={`note note-${kind}`} id={`${id}-note`}>
          {note}
        </span>
      )}
    </div>
  );
}

/** A choice of one among a few that are all in sight. */
export function Choice<T extends string>(props: {
  label: string;
  options: readonly { value: T; label: string }[];
  value: T | undefined;
  onChange(value: T): void;
  warning?: string | undefined;
  error?: string | undefined;
}) {
  const id = useId();
  const { label, options, value, onChange, warning, error } = props;
  const note = error ?? warning;
  return (
    <fieldset className="field choice" aria-describedby={note === undefined ? undefined : `${id}-note`}>
      <legend>{label}</legend>
      <div className="choice-options">
        {options.map((option) => (
          <label key={option.value} className={option.value === value ? "is-chosen" : ""}>
            <input
              type="radio"
              name={id}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            {option.label}
          </label>
        ))}
      </div>
      {note !== undefined && (
        <span className={`note note-${error === undefined ? "warning" : "error"}`} id={`${id}-note`}>
          {note}
        </span>
      )}
    </fieldset>
  );
}
