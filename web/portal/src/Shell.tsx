import { Failure } from "@qingshan/client";
import { Suspense, useEffect, useState } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { ChoosePost } from "./account/ChoosePost";
import { Idle } from "./account/Idle";
import { WornPost } from "./account/Post";
import { SignIn } from "./account/SignIn";
import { isLay, places, postOf, screensOf, type Screen } from "./duties";
import { useTexts } from "./language";
import { useIsOnline } from "./live";
import { Menu } from "./Menu";
import { part } from "./part";
import { useScan } from "./scan";
import { hatOf, useDoor, useSession } from "./session";
import { useSettings } from "./settings";
import { ReadAloud } from "./speech";
import { FailureNotice, Loading } from "./states";
import { hasUnsaved } from "./unsaved";

// Each duty loads the screens it opens, and no others.
const Finder = part(() => import("./patients/Finder"));
const PatientPage = part(() => import("./patients/PatientPage"));
const Register = part(() => import("./patients/Register"));
const MinePage = part(() => import("./mine/MinePage"));
const AnnouncePage = part(() => import("./mine/AnnouncePage"));
const ConsentsPage = part(() => import("./mine/ConsentsPage"));
const EmergenciesPage = part(() => import("./work/EmergenciesPage"));
const TiesPage = part(() => import("./work/TiesPage"));
const PeoplePage = part(() => import("./work/PeoplePage"));
const WorkPage = part(() => import("./work/WorkPage"));
const TaskPage = part(() => import("./tasks/TaskPage"));
const RunPage = part(() => import("./runs/RunPage"));
const AmbulancePage = part(() => import("./ambulance/AmbulancePage"));
const BoardPage = part(() => import("./board/BoardPage"));
const EcgPage = part(() => import("./ecg/EcgPage"));
const DocumentPage = part(() => import("./documents/DocumentPage"));
const TriagePage = part(() => import("./triage/TriagePage"));
const ProtocolsPage = part(() => import("./protocols/ProtocolsPage"));
const ProtocolPage = part(() => import("./protocols/ProtocolPage"));
const PlacesPage = part(() => import("./places/PlacesPage"));
const SourcesPage = part(() => import("./sources/SourcesPage"));
const SessionsPage = part(() => import("./sessions/SessionsPage"));
const RosterPage = part(() => import("./paging/RosterPage"));
const ConsortiumPage = part(() => import("./consortium/ConsortiumPage"));
const OwedPage = part(() => import("./settlement/OwedPage"));
const RegistryPage = part(() => import("./routing/RegistryPage"));
const AuthorizePage = part(() => import("./account/AuthorizePage"));
const SettingsPage = part(() => import("./account/SettingsPage"));

/** The frame around every screen. */
export function Shell() {
  const { t, locale, choose } = useTexts();
  const { isElder } = useSettings();
  const { standing, leave } = useDoor();
  const [cause, setCause] = useState<unknown>();
  const session = "session" in standing ? standing.session : undefined;
  const isIn = standing.kind === "in";
  const isAtWork = isIn && session !== undefined && (isLay(session) || postOf(session) !== undefined);

  useEffect(() => setCause(undefined), [standing]);

  return (
    <>
      <a className="skip" href="#content">
        {t("nav.skip")}
      </a>
      <header className="top">
        <Link className="brand" href="/">
          <img src="/mark.svg" alt="" width={28} height={28} />
          <span className="brand-name">{t("brand")}</span>
        </Link>
        {isAtWork && <Menu />}
        <span className="top-end">
          {isIn && <WornPost onFailure={setCause} />}
          {isIn && session !== undefined && (
            <Link className="top-button who" href="/settings" title={t("nav.settings")}>
              {session.name}
            </Link>
          )}
          <button
            type="button"
            className="top-button"
            lang={locale === "en" ? "zh-CN" : "en"}
            aria-label={t("language.switch")}
            onClick={() => choose(locale === "en" ? "zh-CN" : "en")}
          >
            {t("language.other")}
          </button>
          {isIn && (
            <button type="button" className="top-button" onClick={() => leave().catch(setCause)}>
              {t("signIn.out")}
            </button>
          )}
        </span>
      </header>
      {standing.kind === "in" && <Idle />}
      <main id="content" tabIndex={-1}>
        {isAtWork && <OfflineNote />}
        {cause !== undefined && <FailureNotice cause={cause} />}
        {standing.kind === "asking" && <Loading />}
        {standing.kind === "unknown" && <Unknown cause={standing.cause} />}
        {(standing.kind === "out" || standing.kind === "locked") && <SignIn />}
        {session !== undefined && (
          // After an idle hour the screen is hidden and stays as it is, with what was typed in it, for whoever it is of.
          <div hidden={!isIn} key={hatOf(session)}>
            {isLay(session) || postOf(session) !== undefined ? <Screens /> : <ChoosePost />}
          </div>
        )}
      </main>
      {isElder && <ReadAloud />}
    </>
  );
}

/** Says on whatever screen that there is no network; screens that follow the record say so themselves, and more. */
function OfflineNote() {
  const { t } = useTexts();
  const isOnline = useIsOnline();
  if (isOnline) return null;
  return (
    <p className="offline-note" role="status">
      <strong>{t("offline.banner")}</strong> {t("offline.page")}
    </p>
  );
}

function Unknown({ cause }: { cause: unknown }) {
  const { renew } = useDoor();
  return <FailureNotice cause={cause} retry={() => void renew()} />;
}

/** What stands at each address, for whoever is signed in. */
function Screens() {
  const session = useSession();
  const { t } = useTexts();
  const { standing } = useDoor();
  const [place, go] = useLocation();
  const [first = "consortium"] = screensOf(session);
  const finds = screensOf(session).includes("find");
  const isIn = standing.kind === "in";

  useEffect(() => {
    if (!finds || !isIn) return;
    const home = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      go(places.find);
      document.getElementById("finder")?.focus();
    };
    addEventListener("keydown", home);
    return () => removeEventListener("keydown", home);
  }, [go, finds, isIn]);
  useEffect(() => {
    const shown = (Object.keys(places) as Screen[]).find((screen) => places[screen] === place);
    if (shown === undefined) return;
    document.title = `${t(`nav.${shown}`)} · ${t("brand")}`;
    return () => {
      document.title = t("brand.title");
    };
  }, [place, t]);
  useScan((card) => {
    if (!finds || !isIn) return;
    if (hasUnsaved() && !confirm(t("unsaved.leave"))) return;
    go(`${places.find}?q=${encodeURIComponent(card)}&card=1`);
  });

  useEffect(() => {
    scrollTo(0, 0);
    // What was pressed is gone with the old screen; readers go on at the top of the new one.
    if (document.activeElement === document.body) document.getElementById("content")?.focus({ preventScroll: true });
  }, [place]);

  return (
    <Suspense fallback={<Loading />}>
      <Switch>
        <Route path="/">
          <Redirect to={places[first]} replace />
        </Route>
        <Route path={places.find} component={Finder} />
        <Route path={places.work} component={WorkPage} />
        <Route path="/tasks/:id">{({ id }) => <TaskPage key={id} id={decodeURIComponent(id)} />}</Route>
        <Route path="/runs/:id/documents/:code">
          {({ id, code }) => <DocumentPage key={`${id} ${code}`} run={decodeURIComponent(id)} code={decodeURIComponent(code)} />}
        </Route>
        <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={decodeURIComponent(id)} />}</Route>
        <Route path="/ecgs/:id">{({ id }) => <EcgPage key={id} id={decodeURIComponent(id)} />}</Route>
        <Route path={places.board} component={BoardPage} />
        <Route path={places.ambulance} component={AmbulancePage} />
        <Route path={places.triage} component={TriagePage} />
        <Route path={places.protocols} component={ProtocolsPage} />
        <Route path="/protocols/:code">{({ code }) => <ProtocolPage key={code} code={decodeURIComponent(code)} />}</Route>
        <Route path={places.mine} component={MinePage} />
        <Route path="/mine/announce" component={AnnouncePage} />
        <Route path="/mine/:id/consents">{({ id }) => <ConsentsPage key={id} id={decodeURIComponent(id)} />}</Route>
        <Route path={places.emergencies} component={EmergenciesPage} />
        <Route path={places.ties} component={TiesPage} />
        <Route path={places.people} component={PeoplePage} />
        <Route path={places.places} component={PlacesPage} />
        <Route path={places.sessions} component={SessionsPage} />
        <Route path={places.sources} component={SourcesPage} />
        <Route path={places.consortium} component={ConsortiumPage} />
        <Route path={places.registry} component={RegistryPage} />
        <Route path={places.owed} component={OwedPage} />
        <Route path="/authorize" component={AuthorizePage} />
        <Route path="/roster" component={RosterPage} />
        <Route path="/settings" component={SettingsPage} />
        <Route path={places.register} component={Register} />
        <Route path="/patients/:id">{({ id }) => <PatientPage key={id} id={decodeURIComponent(id)} />}</Route>
        <Route>
          <FailureNotice cause={new Failure("missing", 404)} />
        </Route>
      </Switch>
    </Suspense>
  );
}
