import { Alert, Button } from "antd";
import { Component, lazy, useEffect, useRef, useState, type ComponentType, type ReactNode } from "react";
import { useTexts } from "./language";
import { patiently } from "./patiently";
import { FailureNotice } from "./states";

/** Code that did not arrive: the line broke, or the program was replaced by another edition meanwhile. */
class NotLoaded extends Error {
  constructor(
    cause: unknown,
    /** Asks for it once more. */
    readonly load: () => Promise<unknown>,
  ) {
    super("a part of the portal did not arrive", { cause });
  }
}

/**
 * A part of the portal that is loaded when it is first shown; a `Suspense` around it shows what stands there until then.
 *
 * If it does not arrive, or breaks, a notice stands in its place and what is around it stays: nobody loses the screen
 * they work at because its line went while a corner of it was on its way. What did not arrive is asked for again by itself.
 */
export function part<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  const styled = () => restyle().then(load);
  const fetched = () =>
    styled().catch((cause: unknown) => {
      throw new NotLoaded(cause, styled);
    });
  // A lazy component that failed stays failed, so each attempt is another one.
  const attempt = (): { Shown: ComponentType<P> } => ({ Shown: lazy(fetched) });
  let latest = attempt();
  return function Part(props: P) {
    const [mine, setMine] = useState(latest);
    const again = () => {
      if (latest === mine) latest = attempt();
      setMine(latest);
    };
    return (
      <Guard onAgain={again}>
        <mine.Shown {...props} />
      </Guard>
    );
  };
}

/** Keeps what breaks within it from taking the rest of the screen along. */
export class Guard extends Component<{ onAgain?: () => void; children: ReactNode }, { broken: { cause: unknown } | undefined }> {
  override state: { broken: { cause: unknown } | undefined } = { broken: undefined };

  static getDerivedStateFromError(cause: unknown) {
    return { broken: { cause } };
  }

  override render() {
    const { broken } = this.state;
    if (broken === undefined) return this.props.children;
    const again = () => {
      this.props.onAgain?.();
      this.setState({ broken: undefined });
    };
    if (broken.cause instanceof NotLoaded) return <Awaited load={broken.cause.load} onLoaded={again} />;
    return <FailureNotice cause={broken.cause} retry={again} />;
  }
}

/** What went wrong within a {@link Guard} is still told to whoever listens for faults; a line that is gone is none. */
export function report(cause: unknown): void {
  if (!(cause instanceof NotLoaded)) reportError(cause);
}

/** Stands for code that did not arrive, and asks for it until it does. */
function Awaited({ load, onLoaded }: { load: () => Promise<unknown>; onLoaded: () => void }) {
  const { t } = useTexts();
  const told = useRef(onLoaded);
  told.current = onLoaded;
  useEffect(() => {
    const shown = new AbortController();
    const { signal } = shown;
    patiently(load, signal).then(
      () => signal.aborted || told.current(),
      // Whoever waited is gone.
      () => undefined,
    );
    return () => shown.abort();
  }, [load]);
  return (
    <Alert
      className="part-missing"
      role="alert"
      showIcon
      type="warning"
      title={t("part.missing")}
      description={
        <>
          <p className="notice-line">{t("part.missing.help")}</p>
          <Button onClick={() => location.reload()}>{t("part.reload")}</Button>
        </>
      }
    />
  );
}

/** Asks again for style sheets that did not arrive: the bundler asks for each but once, and goes on without it. */
async function restyle(): Promise<void> {
  const lost = [...document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]")].filter((sheet) => sheet.dataset["lost"] !== undefined);
  await Promise.all(
    lost.map(
      (sheet) =>
        new Promise<void>((loaded, failed) => {
          const next = sheet.cloneNode() as HTMLLinkElement;
          next.addEventListener("load", () => loaded());
          next.addEventListener("error", failed);
          delete next.dataset["lost"];
          sheet.replaceWith(next);
        }),
    ),
  );
}

// A sheet that is still on its way has no rules either, so those that failed are marked.
addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLLinkElement && target.rel === "stylesheet") target.dataset["lost"] = "";
  },
  { capture: true },
);
