import type { Coding, Questionnaire, QuestionnaireItem, ResponseItem } from "@qingshan/client";
import { Button } from "antd";
import { useMemo, useState, type ReactNode } from "react";
import { Dialog } from "../Dialog";
import { begin, type Knowledge } from "../forms/filled";
import { FormView, useFilling } from "../forms/FormView";
import { listUrl, useLists } from "../forms/reading";
import { useTexts } from "../language";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { Working } from "../Working";

const REFERENCE = "http://hl7.org/fhir/StructureDefinition/questionnaire-referenceResource";

/** A few questions before something is done, in a window of its own. */
function Ask(props: {
  title: string;
  items: QuestionnaireItem[];
  lists: ReadonlyMap<string, readonly Coding[]>;
  submit: string;
  isGrave?: boolean;
  busy: string | undefined;
  failure: unknown;
  /** What is said below the questions of what has been answered so far. */
  about?(items: readonly ResponseItem[]): ReactNode;
  onAnswer(items: ResponseItem[]): void;
  onClose(): void;
}) {
  const { title, items, lists, submit, isGrave, busy, failure, about, onAnswer, onClose } = props;
  const { t } = useTexts();
  const [form] = useState<Questionnaire>({ resourceType: "Questionnaire", status: "active", item: items });
  const knowledge = useMemo<Knowledge>(() => ({ environment: { variables: new Map(), now: Date.now() }, lists }), [lists]);
  const [filled, setFilled] = useState(() => begin(form, knowledge));
  const filling = useFilling(form, knowledge, filled, setFilled);
  const send = () => {
    if (busy === undefined && filling.check()) onAnswer(filling.settled.items);
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <FormView filling={filling} onDone={send} />
      {about?.(filling.settled.items)}
      {failure !== undefined && failure !== null && <FailureNotice cause={failure} unsaved={t("state.kept")} />}
      <div className="form-end task-ask-end">
        <Button size="large" onClick={onClose}>
          {t("task.ask.back")}
        </Button>
        <Working type="primary" danger={isGrave === true} busy={busy} onClick={send}>
          {submit}
        </Working>
      </div>
    </Dialog>
  );
}

const answerIn = (items: readonly ResponseItem[], linkId: string) => items.find((item) => item.linkId === linkId)?.answer?.[0];

/** Asks for the coded reason of a list, and for words besides. */
export function AskReason(props: {
  title: string;
  list: string;
  submit: string;
  isGrave?: boolean;
  busy: string | undefined;
  failure: unknown;
  onReason(reason: { code: string; text?: string }): void;
  onClose(): void;
}) {
  const { list, onReason, ...rest } = props;
  const { t } = useTexts();
  const lists = useLists(useService(), [listUrl(list)]);
  if (lists.data === undefined) {
    return (
      <Dialog title={props.title} onClose={props.onClose}>
        {lists.isError ? <FailureNotice cause={lists.error} retry={() => void lists.refetch()} /> : <Loading />}
      </Dialog>
    );
  }
  const items: QuestionnaireItem[] = [
    { linkId: "reason", type: "choice", text: t("task.reason"), required: true, answerValueSet: listUrl(list) },
    { linkId: "text", type: "text", text: t("task.reason.text"), maxLength: 500 },
  ];
  return (
    <Ask
      {...rest}
      items={items}
      lists={lists.data}
      onAnswer={(answered) => {
        const text = answerIn(answered, "text")?.valueString;
        onReason({ code: answerIn(answered, "reason")?.valueCoding?.code ?? "", ...(text !== undefined && { text }) });
      }}
    />
  );
}

/** Asks which of some classes something has, and why. */
export function AskClass(props: {
  title: string;
  classes: readonly Coding[];
  submit: string;
  busy: string | undefined;
  failure: unknown;
  onClass(code: string, reason: string): void;
  onClose(): void;
}) {
  const { classes, onClass, ...rest } = props;
  const { t } = useTexts();
  const [none] = useState(() => new Map());
  const items: QuestionnaireItem[] = [
    { linkId: "class", type: "choice", text: t("run.regrade.to"), required: true, answerOption: classes.map((valueCoding) => ({ valueCoding })) },
    { linkId: "reason", type: "text", text: t("run.regrade.reason"), required: true, maxLength: 500 },
  ];
  return (
    <Ask
      {...rest}
      items={items}
      lists={none}
      onAnswer={(answered) => {
        const code = answerIn(answered, "class")?.valueCoding?.code;
        const reason = answerIn(answered, "reason")?.valueString ?? "";
        if (code !== undefined) onClass(code, reason);
      }}
    />
  );
}

/** Asks under which of some protocols something goes on, and why; `about` says what that means for the one that is chosen. */
export function AskProtocol(props: {
  title: string;
  protocols: readonly Coding[];
  submit: string;
  busy: string | undefined;
  failure: unknown;
  about(code: string): ReactNode;
  onProtocol(code: string, reason: string): void;
  onClose(): void;
}) {
  const { protocols, about, onProtocol, ...rest } = props;
  const { t } = useTexts();
  const [none] = useState(() => new Map());
  const items: QuestionnaireItem[] = [
    { linkId: "protocol", type: "choice", text: t("run.switch.to"), required: true, answerOption: protocols.map((valueCoding) => ({ valueCoding })) },
    { linkId: "reason", type: "text", text: t("run.switch.reason"), required: true, maxLength: 500 },
  ];
  const chosen = (answered: readonly ResponseItem[]) => answerIn(answered, "protocol")?.valueCoding?.code;
  return (
    <Ask
      {...rest}
      isGrave
      items={items}
      lists={none}
      about={(answered) => {
        const code = chosen(answered);
        return code === undefined ? null : about(code);
      }}
      onAnswer={(answered) => {
        const code = chosen(answered);
        if (code !== undefined) onProtocol(code, answerIn(answered, "reason")?.valueString ?? "");
      }}
    />
  );
}

/** Asks to whom a step is handed. */
export function AskParty(props: {
  title: string;
  submit: string;
  busy: string | undefined;
  failure: unknown;
  onParty(party: { reference: string; display?: string }): void;
  onClose(): void;
}) {
  const { onParty, ...rest } = props;
  const { t } = useTexts();
  const [none] = useState(() => new Map());
  const items: QuestionnaireItem[] = [
    {
      linkId: "party",
      type: "reference",
      text: t("task.hand.to"),
      required: true,
      extension: ["PractitionerRole", "Organization", "CareTeam"].map((valueCode) => ({ url: REFERENCE, valueCode })),
    },
  ];
  return (
    <Ask
      {...rest}
      items={items}
      lists={none}
      onAnswer={(answered) => {
        const { reference, display } = answerIn(answered, "party")?.valueReference ?? {};
        if (reference !== undefined) onParty({ reference, ...(display !== undefined && { display }) });
      }}
    />
  );
}
