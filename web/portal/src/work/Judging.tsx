import type { Task } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Button, Input } from "antd";
import { useState } from "react";
import { useTexts } from "../language";
import { useService } from "../session";
import { FailureNotice } from "../states";
import { decided, type Judgement } from "./review";

/** What a privacy officer finds, in one click; finding that there was no ground for it takes words. */
export function Judging({ task, list, good, bad }: { task: Task; list: string; good: string; bad: string }) {
  const { t } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const [note, setNote] = useState("");
  const judge = useMutation({
    mutationFn: (judgement: Judgement) => service.update(decided(task, judgement, note.trim(), new Date().toISOString())),
    onSuccess: () => cache.invalidateQueries({ queryKey: [list] }),
  });
  const isEmpty = note.trim() === "";
  return (
    <>
      <label>
        <span className="what">{t("emergencies.note")}</span>
        <Input value={note} maxLength={200} onChange={(event) => setNote(event.target.value)} />
      </label>
      {judge.isError && <FailureNotice cause={judge.error} />}
      <div className="form-end">
        <Button size="large" danger disabled={judge.isPending || isEmpty} onClick={() => judge.mutate("unjustified")}>
          {bad}
        </Button>
        <Button size="large" type="primary" disabled={judge.isPending} onClick={() => judge.mutate("justified")}>
          {good}
        </Button>
      </div>
    </>
  );
}
