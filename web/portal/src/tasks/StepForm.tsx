import type { Coding, Questionnaire, QuestionnaireResponse, RunView } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Alert, Button } from "antd";
import { useEffect, useMemo, useRef, useState } from "react";
import { addressOf, asSent, giveUp, itemsIn, keptHere, keptThere, useKeeping, type Keeping, type Subject } from "../forms/draft";
import { begin, isBlank, resume, type Filled, type Knowledge } from "../forms/filled";
import { focusFirst, FormView, useFilling } from "../forms/FormView";
import type { Item } from "../forms/path/item";
import { listsOf, useForm, useLists, useNames } from "../forms/reading";
import { useTexts } from "../language";
import { nameOf } from "../runs/RunPage";
import { HoldFor } from "../places/around";
import { BringFrom } from "../routing/where";
import { useProtocol } from "../runs/reading";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { useUnsaved } from "../unsaved";
import { showMoment } from "../views/Readable";

/** What the buttons below a form ask of it. */
export interface FormHandle {
  /** Says what is missing and goes there; gives whether nothing is. */
  check(): boolean;
  /** Moves to its first question. */
  enter(): void;
  /** Makes the response that is sent. Until it was sent or sending failed nothing else of the form is written. */
  take(): Promise<QuestionnaireResponse>;
  release(): void;
  end(): void;
}

/** The form of a step, with what it needs to know, and what was kept of it. */
export function StepForm(props: {
  code: string;
  run: RunView;
  subject: Subject;
  isReadOnly: boolean;
  onHandle(handle: FormHandle | undefined): void;
  onDone(): void;
}) {
  const { code, run, subject } = props;
  const [times, setTimes] = useState(0);
  const { t } = useTexts();
  const service = useService();
  const form = useForm(service, code);
  const protocol = useProtocol(run.protocol.code, run.protocol.version);
  const isKnown = protocol.data !== undefined || protocol.isError;
  const about = { patient: run.patient?.reference, focus: run.focus, run: run.id, data: protocol.data?.data ?? [] };
  const around = isKnown ? about : undefined;
  const lists = useLists(service, form.data ? listsOf(form.data) : []);
  const names = useNames(service, form.data, around);
  const draft = useQuery({
    queryKey: ["form-draft", subject.task, subject.form],
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    queryFn: ({ signal }) => keptThere(service, subject, signal),
  });
  const failed = [form, lists, names].find((query) => query.isError);
  if (failed !== undefined) return <FailureNotice cause={failed.error} retry={() => void failed.refetch()} />;
  if (form.data === null) return <Nothing title={t("form.missing")} help={t("form.missing.help", { code })} />;
  if (form.data === undefined || lists.data === undefined || names.data === undefined || draft.isPending) return <Loading rows={8} />;
  // What the record kept cannot be had without a line; the form is filled in all the same.
  const anew = () => setTimes(times + 1);
  return <Ready key={times} {...props} form={form.data} lists={lists.data} names={names.data} draft={times > 0 ? null : (draft.data ?? null)} onAnew={anew} />;
}

function Ready(props: {
  form: Questionnaire;
  lists: ReadonlyMap<string, readonly Coding[]>;
  names: ReadonlyMap<string, readonly Item[]>;
  draft: QuestionnaireResponse | null;
  subject: Subject;
  run: RunView;
  isReadOnly: boolean;
  onHandle(handle: FormHandle | undefined): void;
  onDone(): void;
  /** What was kept was given up. */
  onAnew(): void;
}) {
  const { form, lists, names, draft, subject, run, isReadOnly, onHandle, onDone, onAnew } = props;
  const { t } = useTexts();
  const service = useService();
  const { patient } = subject;
  const knowledge = useMemo<Knowledge>(() => ({ environment: { variables: names, now: Date.now() }, lists, patient }), [names, lists, patient]);
  const places = {
    patient: run.patient?.reference,
    request: run.focus?.startsWith("ServiceRequest/") ? run.focus : undefined,
    organization: "",
    priority: undefined,
  };
  const [here] = useState(() => keptHere(subject));
  const isNewer = here !== undefined && here.at >= Date.parse(draft?.meta?.lastUpdated ?? "1970-01-01");
  const [offer, setOffer] = useState(!isNewer && draft !== null ? draft : null);
  const [filled, setFilled] = useState<Filled>(() => (isNewer && here !== undefined ? here.filled : begin(form, knowledge)));
  const [isResumed, setIsResumed] = useState(isNewer && here !== undefined && !isBlank(here.filled));
  const [isChanged, setIsChanged] = useState(isNewer);
  const filling = useFilling(form, knowledge, filled, (next) => {
    setFilled(next);
    setIsChanged(true);
  });
  const keeper = useKeeping(service, subject, form, draft);
  const { keeping, change } = keeper;
  const { items } = filling.settled;
  useEffect(() => {
    if (isChanged) change(filled, items);
  }, [isChanged, filled, items, change]);
  useUnsaved(isChanged && keeping !== "saved" && !isBlank(filled));

  const latest = useRef({ filling, keeper });
  latest.current = { filling, keeper };
  const isOffered = offer !== null;
  useEffect(() => {
    if (isOffered) return;
    onHandle({
      check: () => latest.current.filling.check(),
      enter: () => focusFirst(latest.current.filling.id),
      async take() {
        const kept = await latest.current.keeper.hold();
        return {
          ...(kept?.id !== undefined && { id: kept.id }),
          ...(kept?.identifier !== undefined && { identifier: kept.identifier }),
          resourceType: "QuestionnaireResponse",
          status: "completed",
          ...addressOf(form),
          ...(subject.patient !== undefined && { subject: { reference: subject.patient } }),
          ...(subject.author !== undefined && { author: subject.author }),
          authored: new Date().toISOString(),
          ...itemsIn(asSent(latest.current.filling.settled.items)),
        };
      },
      release: () => latest.current.keeper.release(),
      end() {
        latest.current.keeper.end();
        setIsChanged(false);
      },
    });
    return () => onHandle(undefined);
  }, [onHandle, form, subject, isOffered]);

  const startAnew = async () => {
    const old = await keeper.hold();
    keeper.end();
    if (old !== null) await giveUp(service, old).catch(() => {});
    onAnew();
  };
  if (offer !== null) {
    const take = () => {
      setFilled(resume(form, offer));
      setOffer(null);
      setIsResumed(true);
    };
    return <Offer draft={offer} run={run} onResume={take} onDiscard={() => void startAnew()} />;
  }
  return (
    <div className="step-frame">
      <fieldset className="step-form" disabled={isReadOnly}>
        {isResumed && !isReadOnly && (
          <Alert
            className="step-form-resumed"
            type="info"
            showIcon
            title={t("form.resumed")}
            action={
              <Button size="small" onClick={() => void startAnew()}>
                {t("form.anew")}
              </Button>
            }
          />
        )}
        <HoldFor value={places}>
          <BringFrom value={run}>
            <FormView filling={filling} onDone={onDone} />
          </BringFrom>
        </HoldFor>
        {isChanged && <KeptMark keeping={keeping} />}
      </fieldset>
    </div>
  );
}

/** What somebody filled in partly, and the choice to go on with it. */
function Offer(props: { draft: QuestionnaireResponse; run: RunView; onResume(): void; onDiscard(): void }) {
  const { draft, run, onResume, onDiscard } = props;
  const texts = useTexts();
  const { t } = texts;
  const reference = draft.author?.reference;
  const who = draft.author?.display ?? nameOf(run, reference) ?? "";
  const at = showMoment(texts, draft.meta?.lastUpdated ?? draft.authored ?? "");
  return (
    <div className="step-offer" role="status">
      <p className="nothing-title">{who === "" ? t("form.offer.nobody", { at }) : t("form.offer", { who, at })}</p>
      <div className="form-end">
        <Button size="large" onClick={onDiscard}>
          {t("form.offer.discard")}
        </Button>
        <Button size="large" type="primary" autoFocus onClick={onResume}>
          {t("form.offer.resume")}
        </Button>
      </div>
    </div>
  );
}

/** Where what was typed is kept. */
function KeptMark({ keeping }: { keeping: Keeping }) {
  const { t } = useTexts();
  if (keeping === "nothing") return null;
  return (
    <p className={keeping === "elsewhere" ? "note note-warning" : "note note-help"} role="status">
      {t(`form.keeping.${keeping}`)}
    </p>
  );
}
