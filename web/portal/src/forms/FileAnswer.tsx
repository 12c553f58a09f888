import { Button } from "antd";
import { useRef, useState } from "react";
import { useTexts } from "../language";
import { useAnswers } from "./FormView";
import type { AnswerProps } from "./Question";
import { largestFile } from "./questionnaire";

/** A file's bytes in base 64. */
function encoded(file: File): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
}

/** Files and photographs. */
export function FileAnswer({ field, id, describedBy }: AnswerProps) {
  const { t } = useTexts();
  const answer = useAnswers(field);
  const input = useRef<HTMLInputElement>(null);
  const [tooLarge, setTooLarge] = useState<number>();
  const { item, slots } = field;
  const most = largestFile(item);
  const isSeveral = item.repeats === true;
  const take = async (files: readonly File[]) => {
    const large = files.find((file) => most !== undefined && file.size > most);
    setTooLarge(large === undefined || most === undefined ? undefined : most / 1_000_000);
    if (large !== undefined) return;
    const taken = await Promise.all(
      files.map(async (file) => ({ contentType: file.type || "application/octet-stream", data: await encoded(file), title: file.name, size: file.size })),
    );
    const kept = isSeveral ? slots : [];
    answer([...kept, ...taken.map((valueAttachment) => ({ value: { valueAttachment } }))]);
  };
  return (
    <div className="form-files">
      {slots.map(({ value }, place) => (
        <span className="form-file" key={place}>
          {value?.valueAttachment?.title}
          <button type="button" className="inline-button" onClick={() => answer(slots.filter((_, other) => other !== place))}>
            {t("form.times.remove")}
          </button>
        </span>
      ))}
      <Button data-stop onClick={() => input.current?.click()} aria-describedby={describedBy}>
        {t("form.file")}
      </Button>
      <input
        ref={input}
        id={id}
        type="file"
        hidden
        multiple={isSeveral}
        onChange={({ target }) => {
          void take([...(target.files ?? [])]);
          // The same file can be taken again after it was taken out.
          target.value = "";
        }}
      />
      {tooLarge !== undefined && <span className="note note-error">{t("form.problem.large", { most: tooLarge })}</span>}
    </div>
  );
}
