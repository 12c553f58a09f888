import { Failure, type Appointment, type Patient } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Button, Input } from "antd";
import { useState } from "react";
import { dayAt, showTime } from "../calendar";
import { Field } from "../Field";
import { useTexts } from "../language";
import { questions } from "../patients/find";
import { nameOf } from "../patients/person";
import { useShown } from "../patients/show";
import { useDay } from "../places/PlaceList";
import { book, hold, mark, release } from "../places/reading";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { aboutOf, callOff, noteOf, useBookings, whyOf, type Booked, type ExpertSession } from "./reading";

/** One session: who has booked, what became of them, and one more. */
export function Bookings({ session, onClose }: { session: ExpertSession; onClose(): void }) {
  const { t, locale } = useTexts();
  const { written } = useDay();
  const bookings = useBookings(session.id);
  const isRefused = bookings.error instanceof Failure && bookings.error.kind === "refused";
  const note = noteOf(session, locale);
  return (
    <section className="card session-open" aria-label={`${session.expert} ${session.place.name}`} data-open={session.id}>
      <header className="sessions-head">
        <h2>
          {session.expert} <span className="what">{session.title}</span>
        </h2>
        <Button onClick={onClose}>{t("experts.close")}</Button>
      </header>
      <p>
        <strong>{written(session.start, session.end)}</strong> · {session.place.name}
        {aboutOf(session) !== "" && ` · ${aboutOf(session)}`}
      </p>
      {note !== "" && <p className="what">{note}</p>}
      {session.isCancelled && <Alert type="warning" showIcon title={t("experts.calledOff")} description={whyOf(session)} />}
      <p>{t("experts.counts", { booked: session.booked, arrived: session.arrived, seen: session.seen, missed: session.missed, free: session.free })}</p>
      {bookings.isPending && <Loading rows={3} />}
      {isRefused && <p className="hint">{t("experts.bookings.refused")}</p>}
      {bookings.isError && !isRefused && <FailureNotice cause={bookings.error} retry={() => void bookings.refetch()} />}
      {bookings.data?.length === 0 && <Nothing title={t("experts.bookings.none")} />}
      <ol className="booked-list">
        {(bookings.data ?? []).map((one) => (
          <BookedLine key={one.appointment.id} booked={one} />
        ))}
      </ol>
      {!session.isCancelled && <BookFor session={session} />}
      {!session.isCancelled && !isRefused && Date.parse(session.end) > Date.now() && <CallOff session={session} />}
    </section>
  );
}

/** Renews whatever tells of sessions. */
function useRenewed() {
  const cache = useQueryClient();
  return () => Promise.all(["sessions", "bookings"].map((key) => cache.invalidateQueries({ queryKey: [key] })));
}

const MARKS = ["arrived", "fulfilled", "noshow"] as const;

/** What may be marked of an appointment as it stands: nothing before its day, and that somebody did not come after their time. */
function marksFor({ status, start = "" }: Appointment) {
  const now = Date.now();
  if (dayAt(Date.parse(start)) > dayAt(now)) return [];
  const isLate = Date.parse(start) <= now;
  return MARKS.filter((one) => (status === "booked" ? one !== "noshow" || isLate : status === "arrived" && one === "fulfilled"));
}

function BookedLine({ booked: { appointment, patient } }: { booked: Booked }) {
  const { t, known } = useTexts();
  const service = useService();
  const renew = useRenewed();
  const id = appointment.id ?? "";
  const marking = useMutation({ mutationFn: (status: (typeof MARKS)[number]) => mark(service, id, status), onSettled: renew });
  const freeing = useMutation({ mutationFn: () => release(service, id, t("experts.givenBack.desk")), onSettled: renew });
  const failed = marking.error ?? freeing.error;
  return (
    <li className="booked" data-visit={id} data-status={appointment.status}>
      <strong className="measure">{showTime(appointment.start)}</strong>
      <span>{patient === undefined ? t("experts.someone") : <Who patient={patient} />}</span>
      <span className={appointment.status === "noshow" ? "tag tag-care" : appointment.status === "fulfilled" ? "tag tag-new" : "tag"}>
        {known("status", appointment.status) ?? appointment.status}
      </span>
      <span className="booked-marks">
        {marksFor(appointment).map((one) => (
          <Button key={one} size="small" disabled={marking.isPending} onClick={() => marking.mutate(one)}>
            {t(`experts.mark.${one}`)}
          </Button>
        ))}
        {(appointment.status === "booked" || appointment.status === "pending") && (
          <Button size="small" type="text" disabled={freeing.isPending} onClick={() => freeing.mutate()}>
            {t("experts.giveBack")}
          </Button>
        )}
      </span>
      {failed !== null && <FailureNotice cause={failed} />}
    </li>
  );
}

function Who({ patient }: { patient: Patient }) {
  const { t } = useTexts();
  const { sexAndAge } = useShown(patient);
  return (
    <>
      <strong>{nameOf(patient) ?? t("patient.nameless")}</strong> <span className="what">{sexAndAge}</span>
    </>
  );
}

/** Books the next free place for somebody who stands at the desk or calls. */
function BookFor({ session }: { session: ExpertSession }) {
  const { t } = useTexts();
  const service = useService();
  const renew = useRenewed();
  const [typed, setTyped] = useState("");
  const asked = questions(typed);
  const found = useQuery({
    queryKey: ["sessions", "patients", typed.trim()],
    enabled: asked.length > 0,
    queryFn: async ({ signal }) => {
      const pages = await Promise.all(
        asked.map((question) => service.search<Patient>("Patient", { ...question, _count: "8", _elements: "name,gender,birthDate,deceased" }, signal)),
      );
      return [...new Map(pages.flatMap((page) => page.found).map((one) => [one.id, one])).values()];
    },
  });
  const booking = useMutation({
    mutationFn: async (patient: string) => {
      const held = await hold(service, { id: crypto.randomUUID(), patient: `Patient/${patient}`, schedule: `Schedule/${session.id}` });
      return book(service, held.id ?? "");
    },
    onSuccess: () => setTyped(""),
    onSettled: renew,
  });
  const isTaken = booking.error instanceof Failure && booking.error.kind === "conflict";
  if (session.free === 0) return <p className="hint">{t("experts.full")}</p>;
  return (
    <div className="book-for">
      <Field label={t("experts.bookFor")} help={typed.trim() !== "" && asked.length === 0 ? t("finder.short") : undefined}>
        {(field) => (
          <Input {...field} type="search" autoComplete="off" placeholder={t("finder.placeholder")} value={typed} onChange={(event) => setTyped(event.target.value)} />
        )}
      </Field>
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      <ul className="start-found book-found" aria-label={t("finder.results")}>
        {(asked.length === 0 ? [] : (found.data ?? [])).map((one) => (
          <li key={one.id}>
            <button type="button" disabled={booking.isPending} onClick={() => booking.mutate(one.id ?? "")}>
              <Who patient={one} />
            </button>
          </li>
        ))}
      </ul>
      {isTaken && <Alert role="alert" type="warning" showIcon title={t("experts.taken")} description={t("experts.taken.help")} />}
      {booking.isError && !isTaken && <FailureNotice cause={booking.error} unsaved={t("experts.notBooked")} />}
    </div>
  );
}

/** Calls a session off, for a reason that everybody who has booked is told. */
function CallOff({ session }: { session: ExpertSession }) {
  const { t } = useTexts();
  const service = useService();
  const renew = useRenewed();
  const [isOpen, setIsOpen] = useState(false);
  const [why, setWhy] = useState("");
  const [isTried, setIsTried] = useState(false);
  const calling = useMutation({ mutationFn: () => callOff(service, session.id, why.trim()), onSettled: renew });
  const send = () => {
    setIsTried(true);
    if (why.trim() !== "") calling.mutate();
  };
  if (!isOpen) {
    return (
      <Button danger onClick={() => setIsOpen(true)}>
        {t("experts.callOff")}
      </Button>
    );
  }
  return (
    <div className="call-off">
      <Field label={t("experts.callOff.why")} help={t("experts.callOff.help", { count: session.booked + session.held })} error={isTried && why.trim() === "" ? t("signIn.required") : undefined}>
        {(field) => <Input {...field} autoFocus value={why} onChange={(event) => setWhy(event.target.value)} />}
      </Field>
      {calling.isError && <FailureNotice cause={calling.error} unsaved={t("experts.notCalledOff")} />}
      <span className="place-actions">
        <Button danger type="primary" loading={calling.isPending} onClick={send}>
          {t("experts.callOff")}
        </Button>
        <Button onClick={() => setIsOpen(false)}>{t("experts.keep")}</Button>
      </span>
    </div>
  );
}
