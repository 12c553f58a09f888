import { useEffect, useState } from "react";

/** A patient who is open in a tab. The name stays in memory; nothing of it is kept. */
interface Open {
  tab: string;
  patient: string;
  name: string;
}

type Message = { kind: "here"; open: Open } | { kind: "gone"; tab: string } | { kind: "who" };

/** Says to the other tabs whose record is open in this one, and gives whose records are open in those. */
export function useOtherTabs(patient: string, name: string | undefined): string[] {
  const [others, setOthers] = useState<ReadonlyMap<string, Open>>(new Map());
  useEffect(() => {
    if (name === undefined) return;
    const tab = crypto.getRandomValues(new Uint32Array(2)).join("-");
    const channel = new BroadcastChannel("qingshan.patients");
    const send = (message: Message) => channel.postMessage(message);
    const here = () => send({ kind: "here", open: { tab, patient, name } });
    channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.kind === "who") return here();
      setOthers((old) => {
        const next = new Map(old);
        if (data.kind === "here") next.set(data.open.tab, data.open);
        else next.delete(data.tab);
        return next;
      });
    };
    here();
    send({ kind: "who" });
    const leave = () => send({ kind: "gone", tab });
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      leave();
      channel.close();
    };
  }, [patient, name]);
  return [...new Set([...others.values()].filter((open) => open.patient !== patient).map((open) => open.name))];
}
