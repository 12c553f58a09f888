import type { DocumentValue } from "@qingshan/client";
import { showDate } from "../calendar";
import { shownUnit } from "../forms/units";
import type { Texts } from "../language";
import { say } from "../runs/words";
import { showMoment } from "../views/Readable";

/** A value as it stands on paper. */
export function showValue(texts: Pick<Texts, "t" | "locale">, value: DocumentValue): string {
  const { t, locale } = texts;
  if ("text" in value) return value.text;
  if ("words" in value) return say(locale, value.words);
  if ("time" in value) return showMoment(texts, value.time);
  if ("date" in value) return showDate(value.date, locale);
  if ("yes" in value) return t(value.yes ? "value.yes" : "value.no");
  return `${value.quantity.value} ${shownUnit({ code: value.quantity.unit })}`.trim();
}

/** A text within quotes of a style sheet. <https://www.w3.org/TR/css-syntax-3/#consume-string-token> */
const quoted = (text: string) => `"${text.replace(/[\\"]/g, "\\$&").replace(/[\n\r\f]/g, " ")}"`;

/** How pages are made: their size, and what stands at the foot of each. <https://www.w3.org/TR/css-page-3/> */
export function pageStyle(paper: "a4" | "a5", foot: { left: string; right: (page: string, pages: string) => string }): string {
  const [before = "", between = "", after = ""] = foot.right("\u0000", "\u0000").split("\u0000");
  const counters = [quoted(before), "counter(page)", quoted(between), "counter(pages)", quoted(after)].join(" ");
  const type = `font: 8pt "Noto Sans CJK SC", "Source Han Sans SC", SimHei, "PingFang SC", "Microsoft YaHei", sans-serif; color: #000;`;
  return `@page {
    size: ${paper === "a5" ? "A5" : "A4"} portrait;
    margin: ${paper === "a5" ? "12mm 10mm 14mm" : "18mm 16mm 18mm"};
    @bottom-left { content: ${quoted(foot.left)}; ${type} white-space: nowrap; }
    @bottom-right { content: ${counters}; ${type} white-space: nowrap; }
  }`;
}
