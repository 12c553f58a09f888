import type { AnswerValue, QuestionnaireItem, QuestionnaireResponse, ResponseItem } from "@qingshan/client";
import { addressOf } from "../forms/draft";
import { codingsOf } from "../forms/filled";
import type { Paper } from "./drive";

/** What is known, by the name of the item that asks for it. */
export type Known = Readonly<Record<string, string | number | boolean | undefined>>;

/** A response to a form, made of what is known; whatever else it asks stays without an answer. */
export function answered({ form, lists }: Paper, known: Known, at: string): QuestionnaireResponse {
  const codings = new Map(Object.entries(lists));
  const answer = (item: QuestionnaireItem): AnswerValue | undefined => {
    const value = known[item.linkId];
    if (value === undefined) return undefined;
    if (item.type === "choice" || item.type === "open-choice") {
      const coding = codingsOf(item, codings).find(({ code }) => code === value);
      return coding && { valueCoding: coding };
    }
    if (item.type === "boolean") return typeof value === "boolean" ? { valueBoolean: value } : undefined;
    if (item.type === "integer") return typeof value === "number" ? { valueInteger: value } : undefined;
    if (item.type === "decimal") return typeof value === "number" ? { valueDecimal: value } : undefined;
    if (item.type === "dateTime") return { valueDateTime: String(value) };
    return item.type === "string" || item.type === "text" ? { valueString: String(value) } : undefined;
  };
  const fill = (items: readonly QuestionnaireItem[] | undefined): ResponseItem[] =>
    (items ?? []).flatMap((item) => {
      const inner = fill(item.item);
      const value = answer(item);
      if (value === undefined && inner.length === 0) return [];
      // The words go along: whoever reads the answers need not have the form, or have it in this version.
      const words = { ...(item.text !== undefined && { text: item.text }), ...(item._text !== undefined && { _text: item._text }) };
      return [{ linkId: item.linkId, ...words, ...(value !== undefined && { answer: [value] }), ...(inner.length > 0 && { item: inner }) }];
    });
  return { resourceType: "QuestionnaireResponse", status: "completed", ...addressOf(form), authored: at, item: fill(form.item) };
}
