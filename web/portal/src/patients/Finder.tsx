import type { Patient, Service } from "@qingshan/client";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Input } from "antd";
import { useEffect, useRef, useState, type KeyboardEvent, type RefObject } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { ClinicLane } from "../ambulance/Lane";
import { places, screensOf } from "../duties";
import { useTexts } from "../language";
import { StaleBanner } from "../live";
import { hatOf, useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { questions } from "./find";
import { identifiersOf, kindOf, masked, nameOf, phoneOf } from "./person";
import { recent } from "./recent";
import { useShown } from "./show";
import "./patients.css";

/** How long typing must rest before it is looked up, in milliseconds. */
const REST = 250;
const PAGE = "20";
const SHOWN = "name,gender,birthDate,identifier,telecom,active,deceased";

interface Found {
  patients: Patient[];
  next: string[];
}

/** Asks every question, or reads on where each of them stopped, and lists everybody once. */
async function find(service: Service, typed: string, next: string[] | undefined, signal: AbortSignal): Promise<Found> {
  const pages = await Promise.all(
    next === undefined
      ? questions(typed).map((question) =>
          service.search<Patient>("Patient", { ...question, _count: PAGE, _elements: SHOWN }, signal),
        )
      : next.map((address) => service.page<Patient>(address, signal)),
  );
  return {
    patients: pages.flatMap((page) => page.found),
    next: pages.map((page) => page.next).filter((address) => address !== undefined),
  };
}

/** Finds people by name, sound, initials, day of birth, a number of theirs or their telephone. */
export default function Finder() {
  const { t } = useTexts();
  const service = useService();
  const session = useSession();
  // The words stand in the address, so that going back from a patient leads to the same list.
  const [address, setAddress] = useSearchParams();
  const asked = address.get("q") ?? "";
  const isCard = address.has("card");
  const [, go] = useLocation();
  const [typed, setTyped] = useState(asked);
  const [settled, setSettled] = useState(typed);
  const list = useRef<HTMLUListElement>(null);

  useEffect(() => {
    // A card that was read asks at once, and in place of whatever stood here.
    if (!isCard) return;
    setTyped(asked);
    setSettled(asked);
  }, [asked, isCard]);

  useEffect(() => {
    const timer = setTimeout(() => {
      setSettled(typed);
      if (typed.trim() !== asked) setAddress(typed.trim() === "" ? {} : { q: typed.trim() }, { replace: true });
    }, REST);
    return () => clearTimeout(timer);
  }, [typed, asked, setAddress]);

  const isAsked = questions(settled).length > 0;
  const search = useInfiniteQuery({
    queryKey: ["find", settled.trim()],
    queryFn: ({ pageParam, signal }) => find(service, settled, pageParam, signal),
    initialPageParam: undefined as string[] | undefined,
    getNextPageParam: (page) => (page.next.length > 0 ? page.next : undefined),
    enabled: isAsked,
  });
  const patients = [
    ...new Map((search.data?.pages ?? []).flatMap((page) => page.patients).map((patient) => [patient.id, patient])).values(),
  ];
  const [only] = patients;
  const isOnlyOne = patients.length === 1 && search.isSuccess && !search.hasNextPage;
  useEffect(() => {
    // A card belongs to one person; whoever held it to the reader wants their record.
    if (isCard && isOnlyOne && only?.id !== undefined) go(`/patients/${encodeURIComponent(only.id)}`, { replace: true });
  }, [isCard, isOnlyOne, only, go]);
  const names = patients.map(nameOf);
  const hasNamesakes = names.some((name, place) => name !== undefined && names.indexOf(name) !== place);
  const isBehind = typed.trim() !== settled.trim();

  // Enter opens the one who was found, and goes to the list where there are several; never what was found for other words.
  const take = () => {
    if (isBehind || search.isFetching) return;
    if (isOnlyOne && only?.id !== undefined) go(`/patients/${encodeURIComponent(only.id)}`);
    else list.current?.querySelector<HTMLAnchorElement>("a")?.focus();
  };

  const walk = (event: KeyboardEvent<HTMLElement>) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    const links = [...(list.current?.querySelectorAll<HTMLAnchorElement>("a") ?? [])];
    const place = links.indexOf(document.activeElement as HTMLAnchorElement) + step;
    event.preventDefault();
    if (place < 0) document.getElementById("finder")?.focus();
    else links[place]?.focus();
  };

  const answer = () => {
    if (!isAsked) {
      const isShort = settled.trim() !== "";
      return (
        <>
          <p className="hint">{t(isShort ? "finder.short" : "finder.hint")}</p>
          {!isShort && <ClinicLane />}
          {!isShort && <Recent list={list} />}
        </>
      );
    }
    if (search.isError && patients.length === 0) {
      return <FailureNotice cause={search.error} retry={() => void search.refetch()} />;
    }
    if (search.isPending) return <Loading rows={5} />;
    if (patients.length === 0) {
      return (
        <Nothing title={t("finder.empty", { typed: settled.trim() })} help={t("finder.empty.help")}>
          {screensOf(session).includes("register") && (
            <Link className="button-link" href={places.register}>
              {t("finder.register")}
            </Link>
          )}
        </Nothing>
      );
    }
    return (
      <>
        <p className="count" role="status">
          {t(search.hasNextPage ? "finder.countMore" : "finder.count", { count: patients.length })}
          {hasNamesakes && <strong className="caution">{t("finder.same")}</strong>}
        </p>
        <ul className="people" ref={list} aria-label={t("finder.results")}>
          {patients.map((patient) => (
            <Person key={patient.id} patient={patient} />
          ))}
        </ul>
        {search.isError && <FailureNotice cause={search.error} retry={() => void search.refetch()} />}
        {search.hasNextPage && (
          <Working
            block
            busy={search.isFetchingNextPage ? t("state.loading") : undefined}
            onClick={() => void search.fetchNextPage()}
          >
            {t("finder.more")}
          </Working>
        )}
      </>
    );
  };

  return (
    <section onKeyDown={walk}>
      <h1>{t("finder.title")}</h1>
      <StaleBanner state={{ kind: "connecting" }} retry={() => void search.refetch()} />
      <label className="read-out" htmlFor="finder">
        {t("finder.label")}
      </label>
      <Input
        id="finder"
        type="search"
        size="large"
        allowClear
        autoFocus
        autoComplete="off"
        spellCheck={false}
        placeholder={t("finder.placeholder")}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onPressEnter={take}
      />
      <div className={isBehind || search.isFetching ? "answer is-behind" : "answer"} aria-busy={search.isFetching}>
        {answer()}
      </div>
    </section>
  );
}

/** The people whose records were opened here before. */
function Recent({ list }: { list: RefObject<HTMLUListElement | null> }) {
  const { t } = useTexts();
  const service = useService();
  const ids = recent(hatOf(useSession()));
  const people = useQuery({
    queryKey: ["find", "recent", ...ids],
    queryFn: ({ signal }) =>
      service.search<Patient>("Patient", { _id: ids.join(","), _count: String(ids.length), _elements: SHOWN }, signal),
    enabled: ids.length > 0,
  });
  const found = new Map((people.data?.found ?? []).map((patient) => [patient.id, patient]));
  const shown = ids.map((id) => found.get(id)).filter((patient) => patient !== undefined);
  if (shown.length === 0) return null;
  return (
    <>
      <h2 className="recent" id="recent">{t("finder.recent")}</h2>
      <ul className="people" ref={list} aria-labelledby="recent">
        {shown.map((patient) => (
          <Person key={patient.id} patient={patient} />
        ))}
      </ul>
    </>
  );
}

function Person({ patient }: { patient: Patient }) {
  const { t } = useTexts();
  const { sexAndAge, birthDate } = useShown(patient);
  const [number] = identifiersOf(patient);
  const kind = number && kindOf(number);
  const phone = phoneOf(patient);
  const isDead = patient.deceasedBoolean === true || patient.deceasedDateTime !== undefined;
  return (
    <li>
      <Link className="person" href={`/patients/${encodeURIComponent(patient.id ?? "")}`}>
        <span className="person-name">
          {nameOf(patient) ?? t("patient.nameless")}
          {isDead && <span className="tag">{t("patient.deceased")}</span>}
          {patient.active === false && <span className="tag">{t("patient.inactive")}</span>}
        </span>
        <span>{sexAndAge}</span>
        <span>
          <span className="what">{t("patient.born")}</span> {birthDate}
        </span>
        <span className="person-number">
          {number && kind && (
            <>
              <span className="what">{"key" in kind ? t(kind.key) : kind.text}</span> {masked(number)}
            </>
          )}
        </span>
        {phone !== undefined && (
          <span className="person-number">
            <span className="what">{t("patient.phone")}</span> {phone}
          </span>
        )}
      </Link>
    </li>
  );
}
