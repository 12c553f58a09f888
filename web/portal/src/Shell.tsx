import { Button } from "antd";
import { lazy, Suspense, useEffect } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { useTexts } from "./language";
import { useSession } from "./session";
import { SignIn } from "./SignIn";
import { FailureNotice, Loading } from "./states";
import { Failure } from "@qingshan/client";
import { Finder } from "./patients/Finder";

const PatientPage = lazy(() => import("./patients/PatientPage"));
const Register = lazy(() => import("./patients/Register"));

/** The frame around every screen. */
export function Shell() {
  const { t, locale, choose } = useTexts();
  const { service, leave } = useSession();
  const [place, go] = useLocation();

  useEffect(() => {
    const home = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      go("/");
      document.getElementById("finder")?.focus();
    };
    addEventListener("keydown", home);
    return () => removeEventListener("keydown", home);
  }, [go]);

  useEffect(() => {
    scrollTo(0, 0);
    // What was pressed is gone with the old screen; readers go on at the top of the new one.
    if (document.activeElement === document.body) document.getElementById("content")?.focus({ preventScroll: true });
  }, [place]);

  return (
    <>
      <a className="skip" href="#content">
        {t("nav.skip")}
      </a>
      <header className="top">
        <Link className="brand" href="/">
          <img src="/mark.svg" alt="" width={28} height={28} />
          {t("brand")}
        </Link>
        {service && (
          <nav className="menu" aria-label={t("nav.label")}>
            <Link href="/" aria-current={place === "/" ? "page" : undefined}>
              {t("nav.find")}
            </Link>
            <Link href="/patients/new" aria-current={place === "/patients/new" ? "page" : undefined}>
              {t("nav.register")}
            </Link>
          </nav>
        )}
        <span className="top-end">
          <Button
            type="text"
            lang={locale === "en" ? "zh-CN" : "en"}
            aria-label={t("language.switch")}
            onClick={() => choose(locale === "en" ? "zh-CN" : "en")}
          >
            {t("language.other")}
          </Button>
          {service && (
            <Button type="text" onClick={leave}>
              {t("signIn.out")}
            </Button>
          )}
        </span>
      </header>
      <main id="content" tabIndex={-1}>
        {service === undefined ? (
          <SignIn />
        ) : (
          <Suspense fallback={<Loading />}>
            <Switch>
              <Route path="/" component={Finder} />
              <Route path="/patients/new" component={Register} />
              <Route path="/patients/:id">{({ id }) => <PatientPage key={id} id={decodeURIComponent(id)} />}</Route>
              <Route>
                <FailureNotice cause={new Failure("missing", 404)} />
              </Route>
            </Switch>
          </Suspense>
        )}
      </main>
    </>
  );
}
