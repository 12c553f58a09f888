import type { Coding, Protocol, Questionnaire, QuestionnaireItem, QuestionnaireResponse } from "@qingshan/client";
import { useEffect, useMemo, useRef, useState } from "react";
import { begin, type Filled, type Knowledge } from "../forms/filled";
import { addressOf, asSent, itemsIn } from "../forms/draft";
import { FormView, useFilling } from "../forms/FormView";
import type { Item } from "../forms/path/item";
import { listsOf, useForm, useLists, useNames } from "../forms/reading";
import { useTexts } from "../language";
import { HoldFor, type HoldAround } from "../places/around";
import { useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";

/** What starting a run asks of the form it begins with. */
export interface StartHandle {
  /** Says what is missing and goes there; gives whether nothing is. */
  check(): boolean;
  response(): QuestionnaireResponse;
}

/** The form a run begins with, for a patient. */
export function StartForm(props: {
  code: string;
  protocol: Protocol;
  patient: string;
  focus: string | undefined;
  /** For whom and where places are held that the form asks for. */
  places: HoldAround;
  /** What stands in it at first, by question. */
  given?: Readonly<Record<string, string>> | undefined;
  onHandle(handle: StartHandle | undefined): void;
  onDone(): void;
}) {
  const { code, protocol, patient, focus, given } = props;
  const { t } = useTexts();
  const service = useService();
  const form = useForm(service, code);
  const lists = useLists(service, form.data ? listsOf(form.data) : []);
  // There is no run yet whose root Task an expression could ask for.
  const around = { patient: `Patient/${patient}`, focus, run: "", data: (protocol.data ?? []).filter(({ query }) => !query.includes("{run}")) };
  const names = useNames(service, form.data, around);
  const failed = [form, lists, names].find((query) => query.isError);
  if (failed !== undefined) return <FailureNotice cause={failed.error} retry={() => void failed.refetch()} />;
  if (form.data === null) return <Nothing title={t("form.missing")} help={t("form.missing.help", { code })} />;
  if (form.data === undefined || lists.data === undefined || names.data === undefined) return <Loading rows={6} />;
  return <Ready {...props} form={given === undefined ? form.data : withGiven(form.data, given)} lists={lists.data} names={names.data} />;
}

function Ready(props: {
  form: Questionnaire;
  lists: ReadonlyMap<string, readonly Coding[]>;
  names: ReadonlyMap<string, readonly Item[]>;
  patient: string;
  places: HoldAround;
  onHandle(handle: StartHandle | undefined): void;
  onDone(): void;
}) {
  const { form, lists, names, patient, places, onHandle, onDone } = props;
  const knowledge = useMemo<Knowledge>(
    () => ({ environment: { variables: names, now: Date.now() }, lists, patient: `Patient/${patient}` }),
    [names, lists, patient],
  );
  const { name, post: author } = useSession();
  const [filled, setFilled] = useState<Filled>(() => begin(form, knowledge));
  const filling = useFilling(form, knowledge, filled, setFilled);
  const latest = useRef(filling);
  latest.current = filling;
  useEffect(() => {
    onHandle({
      check: () => latest.current.check(),
      response: () => ({
        resourceType: "QuestionnaireResponse",
        status: "completed",
        ...addressOf(form),
        subject: { reference: `Patient/${patient}` },
        ...(author !== undefined && { author: { reference: `PractitionerRole/${author}`, display: name } }),
        authored: new Date().toISOString(),
        ...itemsIn(asSent(latest.current.settled.items)),
      }),
    });
    return () => onHandle(undefined);
  }, [onHandle, form, patient, author, name]);
  return (
    <HoldFor value={places}>
      <FormView filling={filling} onDone={onDone} />
    </HoldFor>
  );
}

/** The form with texts that stand in it at first, as far as they fit. */
function withGiven(form: Questionnaire, given: Readonly<Record<string, string>>): Questionnaire {
  const fill = (item: QuestionnaireItem): QuestionnaireItem => {
    const text = item.type === "string" || item.type === "text" ? given[item.linkId] : undefined;
    return {
      ...item,
      ...(text !== undefined && { initial: [{ valueString: text.slice(0, item.maxLength) }] }),
      ...(item.item !== undefined && { item: item.item.map(fill) }),
    };
  };
  return { ...form, item: (form.item ?? []).map(fill) };
}
