import type { Organization, QuestionnaireItem, QuestionnaireResponse, ResponseItem, Service } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { itemsOf, labelOf, saysScore, scoreOf, textIn, unitOf } from "../forms/questionnaire";
import { useForm } from "../forms/reading";
import { shownUnit } from "../forms/units";
import { useTexts, type Texts } from "../language";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { namesOf } from "../work/actors";
import { showMoment } from "../views/Readable";
import { conceptIn } from "./words";

export type Answer = NonNullable<ResponseItem["answer"]>[number];

/** A form that was filled in, to be read. What was left empty is not shown. */
export default function Answers({ reference }: { reference: string }) {
  const { t } = useTexts();
  const service = useService();
  const [, id = ""] = reference.split("/");
  const response = useQuery({
    queryKey: ["answers", id],
    queryFn: ({ signal }) => service.read<QuestionnaireResponse>("QuestionnaireResponse", id, signal),
  });
  const [canonical, version] = response.data?.questionnaire?.split("|") ?? [];
  const form = useForm(service, canonical?.split("/").at(-1));
  // A question is in the words, and a number in the unit, of the form it was an answer to, and of no later one.
  const items = form.data?.version === version ? form.data?.item : undefined;
  const asked = useMemo(() => new Map([...itemsOf(items)].map((item) => [item.linkId, item])), [items]);
  const nameless = unnamedIn(response.data?.item);
  const names = useQuery({
    queryKey: ["answers", "names", ...nameless],
    enabled: nameless.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => named(service, nameless, signal),
  });
  if (response.isError && response.data === undefined) return <FailureNotice cause={response.error} retry={() => void response.refetch()} />;
  if (response.data === undefined) return <Loading />;
  const { item = [] } = response.data;
  return item.length === 0 ? <p className="hint">{t("run.forms.empty")}</p> : <Items items={item} form={asked} names={names.data ?? NOBODY} />;
}

const NOBODY: ReadonlyMap<string, string> = new Map();

/** Whoever is answered with by reference alone, as another system may write it. */
export function unnamedIn(items: readonly ResponseItem[] | undefined): string[] {
  const all = (items ?? []).flatMap(({ item, answer = [] }): string[] => [
    ...answer.flatMap(({ valueReference: to, item: within }) => [...(to?.reference !== undefined && to.display === undefined ? [to.reference] : []), ...unnamedIn(within)]),
    ...unnamedIn(item),
  ]);
  return [...new Set(all)].sort();
}

/** What institutions and people are called, as far as that may be read. */
async function named(service: Service, references: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const houses = references.filter((one) => one.startsWith("Organization/")).map((one) => one.slice("Organization/".length));
  const [found, people] = await Promise.all([
    houses.length === 0 ? [] : service.search<Organization>("Organization", { _id: houses.join(","), _count: String(houses.length) }, signal).then((page) => page.found),
    namesOf(service, references.map((reference) => ({ reference })), signal),
  ]);
  return new Map([...people, ...found.map((one) => [`Organization/${one.id}`, one.name ?? ""] as const)]);
}

/**
 * @param form what the form asks, by its link
 * @param names what those are called who are named by reference alone
 */
function Items({ items, form, names }: { items: readonly ResponseItem[]; form: ReadonlyMap<string, QuestionnaireItem>; names: ReadonlyMap<string, string> }) {
  const texts = useTexts();
  const nameOf = (item: ResponseItem) => {
    const own = form.get(item.linkId);
    return conceptIn(texts.locale, item) ?? (own && labelOf(texts.locale, own)) ?? item.linkId;
  };
  const unitIn = ({ linkId }: ResponseItem) => {
    const own = form.get(linkId);
    return own && shownUnit(unitOf(own));
  };
  const asked = items.filter((item) => (item.answer ?? []).length > 0 || (item.item ?? []).length > 0);
  return (
    <dl className="answers">
      {asked.map((item, place) => (
        <div key={`${item.linkId} ${place}`} className={isLong(item) ? "is-long" : ""}>
          <dt>{nameOf(item)}</dt>
          {(item.answer ?? []).map((answer, index) => (
            <dd key={index}>
              {[names.get(answer.valueReference?.reference ?? "") ?? valueOf(texts, answer), isNumber(answer) && unitIn(item)].filter(Boolean).join(" ")}
              {answer.item !== undefined && <Items items={answer.item} form={form} names={names} />}
            </dd>
          ))}
          {item.item !== undefined && (
            <dd>
              <Items items={item.item} form={form} names={names} />
            </dd>
          )}
        </div>
      ))}
    </dl>
  );
}

/** Whether an answer needs the whole line: a group, or more than a few words. */
function isLong({ item, answer = [] }: ResponseItem): boolean {
  return (item ?? []).length > 0 || answer.length > 1 || answer.some(({ valueString = "" }) => valueString.length > 40 || valueString.includes("\n"));
}

/** Whether an answer is a number, which has the unit of its item. */
export const isNumber = ({ valueDecimal, valueInteger }: Answer) => valueDecimal !== undefined || valueInteger !== undefined;

/** An answer in the reader's language, without its unit. */
export function valueOf(texts: Texts, answer: Answer): string {
  const { t, locale } = texts;
  if (answer.valueBoolean !== undefined) return t(answer.valueBoolean ? "value.yes" : "value.no");
  if (answer.valueCoding !== undefined) {
    const label = textIn(locale, answer.valueCoding.display, answer.valueCoding._display) || (answer.valueCoding.code ?? "");
    const score = scoreOf(answer.valueCoding);
    return score === undefined || saysScore(label, score) ? label : `${label} · ${t("form.score", { score })}`;
  }
  if (answer.valueQuantity !== undefined) return `${answer.valueQuantity.value ?? ""} ${answer.valueQuantity.unit ?? ""}`.trim();
  if (answer.valueReference !== undefined) return answer.valueReference.display ?? t("value.unnamed");
  if (answer.valueAttachment !== undefined) return answer.valueAttachment.title ?? answer.valueAttachment.contentType ?? "";
  if (answer.valueDateTime !== undefined) return showMoment(texts, answer.valueDateTime);
  const plain = answer.valueString ?? answer.valueDecimal ?? answer.valueInteger ?? answer.valueDate ?? answer.valueTime ?? answer.valueUri;
  return plain === undefined ? "" : String(plain);
}
