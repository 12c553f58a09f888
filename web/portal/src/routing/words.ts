import type { Locale } from "../calendar";
import type { Key, Texts } from "../language";
import type { Named, Reason, Routed, Site, Step } from "./reading";

/** What an institution is called in the language of the screen, with its site where that says something. */
export const nameIn = (locale: Locale, { name, english }: Pick<Named, "name" | "english">): string => (locale === "en" && english !== undefined ? english : name);

/** What stands between words of a language. */
export const signs = (locale: Locale) => (locale === "en" ? { comma: ", ", colon: ": " } : { comma: "，", colon: "：" });

/** Minutes as people say them. */
export const minutes = (value: number): number => Math.round(value);

/** How long ago something was said, from minutes: in hours where minutes no longer say it. */
export const agoIn = ({ t }: Pick<Texts, "t">, ago: number): string => (ago < 120 ? t("routing.ago", { count: minutes(ago) }) : t("span.ago.hour", { count: Math.floor(ago / 60) }));

/** What a code of a centre is called: a capability, a level, a reason for being suspended, or a status. */
export function termOf({ known }: Texts, code: string): string {
  return known("routing.capability", code) ?? known("routing.level", code) ?? known("routing.suspended", code) ?? known("routing.taking", code) ?? code;
}

/** One reason in words, with its numbers. */
export function reasonIn(texts: Texts, { code, detail, value, limit }: Reason): string {
  const { t, known, locale } = texts;
  const title = known("routing.reason", code) ?? code;
  const isTerm = ["lacks", "level-too-low", "suspended", "status-unknown", "missing-figures"].includes(code);
  const more = detail === undefined ? undefined : isTerm ? termOf(texts, detail) : detail;
  const age = ["diverted", "limited", "status-unknown"].includes(code);
  const numbers =
    value === undefined
      ? undefined
      : age
        ? agoIn(texts, Math.max(0, value))
        : limit === undefined
          ? String(minutes(value))
          : t(["needles-late", "refused"].includes(code) ? "routing.limit.plain" : "routing.limit", { value: minutes(value), limit: minutes(limit) });
  const said = code === "status-unknown" && more !== undefined ? t("routing.last", { what: more }) : more;
  return [title, [said, numbers].filter(Boolean).join(signs(locale).comma)].filter(Boolean).join(signs(locale).colon);
}

/** One rule of the trace in words. */
export function stepIn(texts: Texts, { rule, held, value, limit, detail }: Step): string {
  const { t, known, locale } = texts;
  const title = known("routing.rule", rule) ?? rule;
  const about = detail?.split(" ").map((word) => termOf(texts, word)).join(signs(locale).comma);
  const unit = limit === undefined ? "" : limit.unit === "min" ? t("routing.unit.min") : limit.unit === "wk" ? t("routing.unit.wk") : "";
  // What was found is only missed where the rule did not hold for want of it.
  const found = value !== undefined ? `${minutes(value)}${unit}` : held ? undefined : t("routing.notKnown");
  const compared = limit === undefined || limit.unit === "" || found === undefined ? (value === undefined ? undefined : found) : t("routing.compared", { found, limit: `${minutes(limit.value)}${unit}` });
  return [title, [about, compared].filter(Boolean).join(signs(locale).comma), held ? t("routing.yes") : t("routing.no")].filter(Boolean).join(signs(locale).colon);
}

/** The longest reason that goes with a warning, in characters. */
const LONGEST = 460;

/** Why this hospital, in lines that go with the warning: who was recommended, by which rule, and who was not and why. */
export function traceIn(texts: Texts, routed: Routed, to: string): string {
  const { t, locale, known } = texts;
  const brief = (site: Site) => `${nameIn(locale, site)}${site.way === undefined ? "" : t("routing.brief.way", { count: minutes(site.way) })}`;
  const { chosen, wish } = routed;
  const lines = [
    chosen === undefined
      ? t("routing.nobody")
      : t("routing.brief", { rule: known("routing.rule", routed.rule) ?? routed.rule, place: brief(chosen) }),
  ];
  if (chosen !== undefined && chosen.institution !== to && wish !== undefined) lines.push(wishIn(texts, wish));
  if (routed.warnings.some(({ code }) => code === "straight-line")) lines.push(t("routing.reason.straight-line" as Key));
  let whole = lines.join("\n").slice(0, LONGEST);
  // A hospital is told with all that speaks against it, or counted; half a reason is none.
  let left = routed.rejected.length;
  for (const site of routed.rejected) {
    const line = `\n✕ ${nameIn(locale, site)}${signs(locale).colon}${site.reasons.map((reason) => reasonIn(texts, reason)).join(signs(locale).comma)}`;
    if (whole.length + line.length > LONGEST) break;
    whole += line;
    left -= 1;
  }
  return left > 0 ? `${whole}\n${t("routing.brief.more", { count: left })}` : whole;
}

/** What the patient's own choice costs. */
export function wishIn({ t, locale }: Texts, wish: NonNullable<Routed["wish"]>): string {
  const lost = wish.lost ?? wish.wayLost;
  const place = nameIn(locale, wish);
  if (lost === undefined) return t("routing.wish.unknown", { place });
  const count = Math.abs(minutes(lost));
  return lost >= 0 ? t("routing.wish", { place, count }) : t("routing.wish.sooner", { place, count });
}
