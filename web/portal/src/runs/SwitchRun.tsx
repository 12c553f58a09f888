import type { RunView, Task } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { useState } from "react";
import { useLocation } from "wouter";
import { useTexts } from "../language";
import { useService } from "../session";
import { AskProtocol } from "../tasks/Ask";
import { showMoment } from "../views/Readable";
import { aboutRun, followedBy, useRuns } from "./reading";
import { say } from "./words";

type Targets = NonNullable<RunView["switch"]>;

/** The way to let a run go on under another protocol, for whoever may, with a reason; it ends on the page of the new run. */
export function SwitchRun({ run, targets, what }: { run: RunView; targets: Targets; what: string }) {
  const { t, locale } = useTexts();
  const runs = useRuns();
  const service = useService();
  const cache = useQueryClient();
  const [, go] = useLocation();
  const [isAsked, setIsAsked] = useState(false);
  const change = useMutation({
    mutationFn: async ({ code, reason }: { code: string; reason: string }): Promise<Task | undefined> => {
      await runs.act(run.id, { deed: "switch", protocol: code, reason: { code: "", text: reason } });
      return followedBy(service, run, code);
    },
    onSuccess: (next) => {
      setIsAsked(false);
      if (next?.id !== undefined) go(`/runs/${encodeURIComponent(next.id)}`);
    },
    onSettled: () => cache.invalidateQueries({ queryKey: aboutRun(run.id) }),
  });
  const close = () => {
    change.reset();
    setIsAsked(false);
  };
  return (
    <>
      <Button onClick={() => setIsAsked(true)}>{t("run.switch")}</Button>
      {isAsked && (
        <AskProtocol
          title={t("run.switch.title", { what })}
          protocols={targets.map(({ code, title }) => ({ code, display: say(locale, title) }))}
          submit={t("run.switch.submit")}
          busy={change.isPending ? t("state.saving") : undefined}
          failure={change.error}
          about={(code) => <Kept target={targets.find((one) => one.code === code)} />}
          onProtocol={(code, reason) => change.mutate({ code, reason })}
          onClose={close}
        />
      )}
    </>
  );
}

/** What the new run knows already, and what stays with the old one. */
function Kept({ target }: { target: Targets[number] | undefined }) {
  const texts = useTexts();
  const { t, locale } = texts;
  if (target === undefined) return null;
  const left = target.leaves.map(({ title }) => say(locale, title)).join(locale === "zh-CN" ? "、" : ", ");
  return (
    <div className="switch-kept" role="status">
      <p>{t(target.keeps.length > 0 ? "run.switch.keeps" : "run.switch.keeps.none")}</p>
      {target.keeps.length > 0 && (
        <ul>
          {target.keeps.map(({ code, title, at }, place) => (
            <li key={`${code} ${place}`}>
              {say(locale, title)} · <time dateTime={at}>{showMoment(texts, at)}</time>
            </li>
          ))}
        </ul>
      )}
      {left !== "" && <p>{t("run.switch.leaves", { what: left })}</p>}
      <p className="what">{t("run.switch.ends")}</p>
    </div>
  );
}
