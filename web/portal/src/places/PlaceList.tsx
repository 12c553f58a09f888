import { Button } from "antd";
import { useId } from "react";
import { showDate, showTime, timeAt } from "../calendar";
import { useTexts } from "../language";
import { useInstitutions } from "../protocols/Figures";
import { FailureNotice, Loading, Nothing } from "../states";
import { useAvailability, type Asking, type Department, type FreeSlot } from "./reading";
import "./places.css";

/** What somebody chose in a department. */
export type Choice = { department: Department; slot: FreeSlot } | { department: Department; bed: true };

/** Departments with what they have now, and a button for each place that can be taken. */
export function PlaceList(props: {
  asking: Asking;
  onAsk(asking: Asking): void;
  /** Takes a place; nothing where places are only looked at. */
  onChoose?: ((choice: Choice) => void) | undefined;
  isBusy?: boolean;
}) {
  const { asking, onAsk, onChoose, isBusy = false } = props;
  const { t } = useTexts();
  const id = useId();
  const institutions = useInstitutions();
  const found = useAvailability(asking);
  const houses = (institutions.data ?? []).filter((one) => one.partOf === undefined);
  return (
    <div className="places">
      <div className="places-tools" role="search">
        <label htmlFor={`${id}-specialty`}>
          <span className="what">{t("places.specialty")}</span>
          <input
            id={`${id}-specialty`}
            className="places-input"
            type="search"
            autoComplete="off"
            placeholder={t("places.specialty.hint")}
            value={asking.specialty}
            onChange={(event) => onAsk({ ...asking, specialty: event.target.value })}
          />
        </label>
        <label htmlFor={`${id}-institution`}>
          <span className="what">{t("places.institution")}</span>
          <select id={`${id}-institution`} value={asking.organization} onChange={(event) => onAsk({ ...asking, organization: event.target.value })}>
            <option value="">{t("places.institution.all")}</option>
            {houses.map((one) => (
              <option key={one.id} value={`Organization/${one.id}`}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        <span className="places-asof" role="status">
          {found.data !== undefined && t("places.asOf", { time: timeAt(Date.parse(found.data.asOf)) })}
          <Button onClick={() => void found.refetch()} aria-disabled={found.isFetching} data-stop>
            {t(found.isFetching ? "state.loading" : "places.refresh")}
          </Button>
        </span>
      </div>
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading rows={5} />}
      {found.data?.departments.length === 0 && <Nothing title={t("places.none")} help={t("places.none.help")} />}
      <ul className={found.isError ? "places-list is-behind" : "places-list"}>
        {(found.data?.departments ?? []).map((department) => (
          <DepartmentLine key={department.service} department={department} onChoose={onChoose} isBusy={isBusy} />
        ))}
      </ul>
    </div>
  );
}

function DepartmentLine(props: { department: Department; onChoose: ((choice: Choice) => void) | undefined; isBusy: boolean }) {
  const { department, onChoose, isBusy } = props;
  const { t } = useTexts();
  const { name, institution, isClinic, slots, beds, poolToday, poolWeek, waiting, waitingInstitution } = department;
  return (
    <li className="place" data-department={department.service}>
      <div className="place-who">
        <strong>{name}</strong>
        <span className="what">{institution.name}</span>
      </div>
      <ul className="place-slots" aria-label={t("places.next", { name })}>
        {slots.length === 0 && <li className="what">{t(isClinic ? "places.full" : "places.noClinic")}</li>}
        {slots.map((slot) => (
          <li key={slot.slot}>
            {onChoose === undefined ? (
              <span className="place-slot">
                <SlotText slot={slot} />
              </span>
            ) : (
              <button type="button" className="place-slot" data-stop data-slot={slot.slot} disabled={isBusy} onClick={() => onChoose({ department, slot })}>
                <SlotText slot={slot} />
              </button>
            )}
          </li>
        ))}
      </ul>
      <dl className="place-facts">
        {isClinic && (
          <div>
            <dt>{t("places.pool")}</dt>
            <dd>{t("places.pool.count", { today: poolToday, week: poolWeek })}</dd>
          </div>
        )}
        {beds !== undefined && (
          <div>
            <dt>{t("places.beds")}</dt>
            <dd>
              {beds}
              {onChoose !== undefined && beds > 0 && (
                <button type="button" className="inline-button" data-stop disabled={isBusy} onClick={() => onChoose({ department, bed: true })}>
                  {t("places.beds.hold")}
                </button>
              )}
            </dd>
          </div>
        )}
        <div>
          <dt>{t("places.waiting")}</dt>
          <dd>{waitingInstitution > 0 ? t("places.waiting.both", { waiting, all: waitingInstitution }) : waiting}</dd>
        </div>
      </dl>
    </li>
  );
}

function SlotText({ slot }: { slot: FreeSlot }) {
  const { t, locale } = useTexts();
  const day = showDate(slot.start, locale);
  const { weekday } = useDay();
  return (
    <>
      <span className="what">
        {day.slice(5)} {weekday(slot.start)}
      </span>{" "}
      <strong className="measure">{showTime(slot.start)}</strong>
      {slot.isPooled && <span className="tag tag-new">{t("places.pooled")}</span>}
    </>
  );
}

/** Days as people name them. */
export function useDay(): { weekday(when: string): string; written(start: string, end?: string): string } {
  const { locale } = useTexts();
  const weekday = (when: string) => {
    const at = Date.parse(when);
    return Number.isNaN(at) ? "" : new Intl.DateTimeFormat(locale, { weekday: "short", timeZone: "Asia/Shanghai" }).format(at);
  };
  const written = (start: string, end?: string) => {
    const until = end === undefined ? "" : `–${showTime(end) ?? ""}`;
    return `${showDate(start, locale)} ${weekday(start)} ${showTime(start) ?? ""}${until}`;
  };
  return { weekday, written };
}
