import { Failure, type Appointment, type Patient } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Button } from "antd";
import { useState } from "react";
import { dayAt } from "../calendar";
import { Choice } from "../Field";
import { useTexts } from "../language";
import { nameOf } from "../patients/person";
import { useDay } from "../places/PlaceList";
import { book, hold, release } from "../places/reading";
import { useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { aboutOf, later, noteOf, useSessions, type ExpertSession } from "./reading";

/** How far ahead residents are shown sessions, in days. */
const AHEAD = 28;

/** What residents see on their phones: who comes when, and what they have booked. */
export function ForResidents() {
  const { t } = useTexts();
  const session = useSession();
  const today = dayAt(Date.now());
  const sessions = useSessions(today, later(today, AHEAD));
  const people = usePeople();
  const { own = [], charges = [] } = session.patients ?? {};
  const [who, setWho] = useState<string>(own[0] ?? charges[0] ?? "");
  const visits = useVisits(who);
  const booked = new Set((visits.data ?? []).flatMap(({ visit, schedule }) => (visit.status === "booked" ? [schedule] : [])));
  const open = (sessions.data ?? []).filter((one) => !one.isCancelled);
  return (
    <section className="mine sessions-mine">
      <h1>{t("experts.title")}</h1>
      {(people.data ?? []).length > 1 && (
        <Choice
          label={t("experts.for")}
          options={(people.data ?? []).map((one) => ({ value: one.id ?? "", label: nameOf(one) ?? t("patient.nameless") }))}
          value={who}
          onChange={setWho}
        />
      )}
      <Mine patient={who} sessions={sessions.data ?? []} />
      <h2>{t("experts.coming")}</h2>
      {sessions.isPending && <Loading rows={5} />}
      {sessions.isError && <FailureNotice cause={sessions.error} retry={() => void sessions.refetch()} />}
      {sessions.data !== undefined && open.length === 0 && <Nothing title={t("experts.none")} help={t("experts.none.help")} />}
      {open.map((one) => (
        <Offer key={one.id} session={one} patient={who} isBooked={booked.has(`Schedule/${one.id}`)} />
      ))}
    </section>
  );
}

/** The people somebody may book for. */
function usePeople() {
  const service = useService();
  const { own = [], charges = [] } = useSession().patients ?? {};
  const ids = [...own, ...charges];
  return useQuery({
    queryKey: ["mine", ...ids],
    enabled: ids.length > 0,
    // The page where they begin asks the same under this key, so what is kept must be of one shape.
    queryFn: ({ signal }) => service.search<Patient>("Patient", { _id: ids.join(","), _count: String(ids.length) }, signal),
    select: ({ found }) => found,
  });
}

/** A session that can be booked. */
function Offer({ session, patient, isBooked }: { session: ExpertSession; patient: string; isBooked: boolean }) {
  const { t, locale } = useTexts();
  const { written } = useDay();
  const service = useService();
  const cache = useQueryClient();
  const [id, setId] = useState(() => crypto.randomUUID());
  const booking = useMutation({
    mutationFn: async () => {
      const held = await hold(service, { id, patient: `Patient/${patient}`, schedule: `Schedule/${session.id}` });
      return book(service, held.id ?? id);
    },
    onSuccess: () => setId(crypto.randomUUID()),
    onSettled: () => Promise.all([cache.invalidateQueries({ queryKey: ["sessions"] }), cache.invalidateQueries({ queryKey: ["my-visits"] })]),
  });
  const isTaken = booking.error instanceof Failure && booking.error.kind === "conflict";
  return (
    <article className="card session-offer" data-session={session.id}>
      <h3>
        {session.expert} <span className="what">{session.title}</span>
      </h3>
      <p className="session-when">
        <strong>{written(session.start, session.end)}</strong>
      </p>
      <p>
        {session.place.name}
        {aboutOf(session) !== "" && <span className="what"> · {aboutOf(session)}</span>}
      </p>
      {noteOf(session, locale) !== "" && <p className="what">{noteOf(session, locale)}</p>}
      {isTaken && <Alert role="alert" type="warning" showIcon title={t("experts.taken")} description={t("experts.taken.help")} />}
      {booking.isError && !isTaken && <FailureNotice cause={booking.error} unsaved={t("experts.notBooked")} />}
      <div className="session-foot">
        <span className={session.free === 0 ? "tag" : "tag tag-new"}>{session.free === 0 ? t("experts.full") : t("experts.free", { count: session.free })}</span>
        {isBooked ? (
          <strong>✓ {t("experts.booked")}</strong>
        ) : (
          <Working
            type="primary"
            busy={booking.isPending ? t("state.saving") : undefined}
            disabled={session.free === 0 || patient === ""}
            onClick={() => booking.mutate()}
          >
            {t("experts.book")}
          </Working>
        )}
      </div>
    </article>
  );
}

/** What somebody has booked from today on, each with the session it is in. */
function useVisits(patient: string) {
  const service = useService();
  const today = dayAt(Date.now());
  return useQuery({
    queryKey: ["my-visits", patient],
    enabled: patient !== "",
    queryFn: async ({ signal }) => {
      const asked = { patient: `Patient/${patient}`, date: `ge${today}`, status: "booked,cancelled", _sort: "date", _count: "50" };
      const all = (await service.search<Appointment>("Appointment", asked, signal)).found;
      const slots = all.flatMap(({ slot = [] }) => slotsOf(slot));
      if (slots.length === 0) return [];
      const found = await service.search<{ resourceType: "Slot"; id?: string; schedule?: { reference?: string } }>(
        "Slot",
        { _id: slots.join(","), _count: String(slots.length) },
        signal,
      );
      const schedules = new Map(found.found.map((slot) => [slot.id, slot.schedule?.reference]));
      return all.map((visit) => ({ visit, schedule: schedules.get(slotsOf(visit.slot ?? [])[0]) }));
    },
  });
}

/** What somebody has booked, with the way to give it back. */
function Mine({ patient, sessions }: { patient: string; sessions: readonly ExpertSession[] }) {
  const { t } = useTexts();
  const { written } = useDay();
  const service = useService();
  const cache = useQueryClient();
  const visits = useVisits(patient);
  const giveBack = useMutation({
    mutationFn: (id: string) => release(service, id, t("experts.givenBack")),
    onSettled: () => Promise.all([cache.invalidateQueries({ queryKey: ["sessions"] }), cache.invalidateQueries({ queryKey: ["my-visits"] })]),
  });
  const known = new Map(sessions.map((one) => [`Schedule/${one.id}`, one]));
  const theirs = (visits.data ?? []).flatMap(({ visit, schedule }) => {
    const session = known.get(schedule ?? "");
    // What they gave back themselves needs no more words; what was called off does.
    const isCalledOff = visit.status === "cancelled" && visit.cancelationReason?.coding?.[0]?.code === "session-cancelled";
    return session !== undefined && (visit.status === "booked" || isCalledOff) ? [{ visit, session, isCalledOff }] : [];
  });
  if (theirs.length === 0 && !giveBack.isError && !visits.isError) return null;
  return (
    <section aria-label={t("experts.mine")}>
      <h2>{t("experts.mine")}</h2>
      {visits.isError && <FailureNotice cause={visits.error} retry={() => void visits.refetch()} />}
      {giveBack.isError && <FailureNotice cause={giveBack.error} unsaved={t("experts.notGivenBack")} />}
      {theirs.map(({ visit, session, isCalledOff }) => (
        <article key={visit.id} className={isCalledOff ? "card session-visit is-off" : "card session-visit"} data-visit={visit.id}>
          <h3>
            <span aria-hidden>{isCalledOff ? "✕" : "✓"}</span> {isCalledOff ? t("experts.calledOff") : t("experts.booked")}
          </h3>
          <p className="session-when">
            <strong>{written(visit.start ?? "", visit.end)}</strong>
          </p>
          <p>
            {session.expert} · {session.place.name}
          </p>
          {isCalledOff && <p>{t("experts.calledOff.why", { why: visit.cancelationReason?.text ?? "" })}</p>}
          {!isCalledOff && (
            <Button size="large" loading={giveBack.isPending} onClick={() => giveBack.mutate(visit.id ?? "")}>
              {t("experts.cancel")}
            </Button>
          )}
        </article>
      ))}
    </section>
  );
}

const slotsOf = (slots: readonly { reference?: string }[]): string[] =>
  slots.flatMap(({ reference }) => (reference?.startsWith("Slot/") ? [reference.slice("Slot/".length)] : []));

