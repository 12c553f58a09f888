import { Failure } from "@qingshan/client";
import { Alert, Button, Skeleton } from "antd";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { useTexts } from "./language";

/** What a failure means to whoever meets it, and what can be done about it. */
export function FailureNotice(props: {
  cause: unknown;
  retry?: () => void;
  /** What was to be written and was not; whoever wrote it must send it again. */
  unsaved?: string;
}) {
  const { cause, retry, unsaved } = props;
  const { t } = useTexts();
  const kind = cause instanceof Failure ? cause.kind : "fault";
  const isSerious = kind === "fault" || kind === "invalid";
  const details = cause instanceof Failure && kind === "invalid" ? cause.issues : [];
  return (
    <Alert
      role="alert"
      showIcon
      type={isSerious ? "error" : "warning"}
      title={t(`failure.${kind}`)}
      description={
        <>
          {unsaved && <p className="notice-line">{unsaved}</p>}
          <p className="notice-line">
            {t(unsaved !== undefined && kind === "offline" ? "failure.offline.unsaved" : `failure.${kind}.help`)}
          </p>
          {details.map((issue, place) => (
            <p className="notice-line" key={place}>
              {issue.text} {issue.at && <code>{issue.at}</code>}
            </p>
          ))}
          {kind === "missing" && <Link href="/">{t("failure.home")}</Link>}
        </>
      }
      action={retry && kind !== "refused" && kind !== "missing" && <Button onClick={retry}>{t("failure.retry")}</Button>}
    />
  );
}

/** There is nothing, and what to do about that. */
export function Nothing({ title, help, children }: { title: string; help?: string; children?: ReactNode }) {
  return (
    <div className="nothing" role="status">
      <p className="nothing-title">{title}</p>
      {help && <p className="nothing-help">{help}</p>}
      {children}
    </div>
  );
}

/** The shape of what is being loaded. */
export function Loading({ rows = 4 }: { rows?: number }) {
  const { t } = useTexts();
  return (
    <div role="status" aria-label={t("state.loading")}>
      <Skeleton active title={false} paragraph={{ rows }} />
    </div>
  );
}

/** Keeps a drawer within the screen it belongs to, so that it is hidden with it when the session is locked. */
export const within = { getContainer: false, rootStyle: { position: "fixed" } } as const;
