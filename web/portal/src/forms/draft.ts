import type { Questionnaire, QuestionnaireResponse, Reference, ResponseItem, Service } from "@qingshan/client";
import { Failure } from "@qingshan/client";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Filled } from "./filled";
import { forgetKept, keep, kept } from "./kept";

/** How long after the last key the record is told, in milliseconds. This tab keeps it at once. */
const PAUSE = 4_000;

/** Names a form of a task that is filled in partly, so that it is one response however often it is kept. */
const DRAFTS = "https://qingshan.dev/fhir/sid/draft";

/** Whose form it is, and what about. */
export interface Subject {
  /** Who is signed in. */
  account: string;
  author: Reference | undefined;
  /** The id of the Task, and the code of the form. */
  task: string;
  form: string;
  patient: string | undefined;
}

/** Where what was typed is kept: only in this tab, or in the record too. */
export type Keeping = "nothing" | "here" | "saving" | "saved" | "elsewhere";

const nameOf = ({ task, form }: Subject) => `${task}.${form}`;

/** What this tab kept of a form. */
export function keptHere(subject: Subject): { filled: Filled; at: number } | undefined {
  return kept<{ filled: Filled; at: number }>(subject.account, nameOf(subject));
}

/** What the record kept of a form, by whomever. */
export async function keptThere(service: Service, subject: Subject, signal: AbortSignal): Promise<QuestionnaireResponse | null> {
  const asked = { identifier: `${DRAFTS}|${nameOf(subject)}`, status: "in-progress", _count: "1" };
  return (await service.search<QuestionnaireResponse>("QuestionnaireResponse", asked, signal)).found[0] ?? null;
}

/** Marks what the record kept as given up, or as done with. */
export async function giveUp(service: Service, draft: QuestionnaireResponse): Promise<void> {
  await service.update<QuestionnaireResponse>({ ...draft, status: "stopped" });
}

/**
 * Gives up whatever is still kept of the forms of a task that is over, by whomever it was begun: what was not sent by
 * then never will be. What may not be given up is left.
 */
export async function giveUpAll(service: Service, subject: Subject, forms: readonly string[]): Promise<void> {
  for (const form of forms) {
    forgetKept(subject.account, nameOf({ ...subject, form }));
    try {
      const left = await keptThere(service, { ...subject, form }, AbortSignal.timeout(30_000));
      if (left !== null) await giveUp(service, left);
    } catch {
      // It stays as it is, and nobody is asked about it any more.
    }
  }
}

/** What keeps a form while it is filled in. */
export interface Keeper {
  keeping: Keeping;
  change(filled: Filled, response: ResponseItem[]): void;
  /** Stops telling the record, for sending the form; gives what the record kept, once it is sure what that is. */
  hold(): Promise<QuestionnaireResponse | null>;
  /** Goes on after sending failed. */
  release(): void;
  /** Forgets what was kept, since it was sent or given up. */
  end(): void;
}

/** The address of a form, with its version. */
export function addressOf({ url, version }: Questionnaire): { questionnaire?: string } {
  return url === undefined ? {} : { questionnaire: version === undefined ? url : `${url}|${version}` };
}

/** The answers of a response; a form that was left empty has none, and FHIR knows no empty list. */
export function itemsIn(items: readonly ResponseItem[]): { item?: ResponseItem[] } {
  return items.length === 0 ? {} : { item: [...items] };
}

/** The answers as they are sent: codes without the scores, which the record knows itself. */
export function asSent(items: readonly ResponseItem[]): ResponseItem[] {
  return items.map(({ item, answer, ...rest }) => ({
    ...rest,
    ...(answer !== undefined && {
      answer: answer.map(({ item: inner, valueCoding, ...value }) => {
        const { extension: _, ...coding } = valueCoding ?? {};
        return { ...value, ...(valueCoding !== undefined && { valueCoding: coding }), ...(inner !== undefined && { item: asSent(inner) }) };
      }),
    }),
    ...(item !== undefined && { item: asSent(item) }),
  }));
}

/** Keeps a form while it is filled in: in this tab at once, in the record as soon as it answers. */
export function useKeeping(service: Service, subject: Subject, form: Questionnaire, found: QuestionnaireResponse | null): Keeper {
  const [keeping, setKeeping] = useState<Keeping>(found === null ? "nothing" : "saved");
  const draft = useRef(found);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const items = useRef<ResponseItem[]>(undefined);
  const sending = useRef<Promise<void>>(undefined);
  const isHeld = useRef(false);

  const keeper = useMemo(() => {
    const write = async (): Promise<void> => {
      const sent = items.current;
      setKeeping("saving");
      try {
        // What was cleared again must not come back from what was kept.
        const { item: _, ...before } = draft.current ?? {};
        const response: QuestionnaireResponse = {
          ...before,
          resourceType: "QuestionnaireResponse",
          identifier: { system: DRAFTS, value: nameOf(subject) },
          ...addressOf(form),
          status: "in-progress",
          ...(subject.patient !== undefined && { subject: { reference: subject.patient } }),
          ...(subject.author !== undefined && { author: subject.author }),
          authored: new Date().toISOString(),
          ...itemsIn(sent ?? []),
        };
        if (draft.current === null) {
          const search = { identifier: `${DRAFTS}|${nameOf(subject)}`, status: "in-progress" };
          const made = await service.createUnless<QuestionnaireResponse>(response, search);
          // Somebody else began meanwhile; theirs is not written over.
          if (!made.isNew) throw new Failure("conflict", 409);
          draft.current = made.resource;
        } else draft.current = await service.update(response);
        setKeeping(items.current === sent ? "saved" : "here");
      } catch (cause) {
        const isTaken = cause instanceof Failure && cause.kind === "conflict";
        if (isTaken) {
          isHeld.current = true;
          draft.current = null;
        }
        setKeeping(isTaken ? "elsewhere" : "here");
      }
      sending.current = undefined;
      if (items.current !== sent) wait();
    };
    const send = (): void => {
      if (!isHeld.current && sending.current === undefined && items.current !== undefined) sending.current = write();
    };
    const wait = (): void => {
      clearTimeout(timer.current);
      timer.current = setTimeout(send, PAUSE);
    };
    return {
      send,
      change(filled: Filled, response: ResponseItem[]) {
        items.current = response;
        keep(subject.account, nameOf(subject), { filled, at: Date.now() });
        setKeeping((old) => (old === "elsewhere" ? old : "here"));
        wait();
      },
      async hold() {
        isHeld.current = true;
        clearTimeout(timer.current);
        await sending.current;
        return draft.current;
      },
      release() {
        isHeld.current = false;
      },
      end() {
        isHeld.current = true;
        clearTimeout(timer.current);
        forgetKept(subject.account, nameOf(subject));
      },
    };
  }, [service, subject, form]);

  useEffect(() => {
    addEventListener("online", keeper.send);
    return () => {
      removeEventListener("online", keeper.send);
      clearTimeout(timer.current);
    };
  }, [keeper]);
  return { keeping, ...keeper };
}
