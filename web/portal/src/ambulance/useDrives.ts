import { Runs, type Organization, type Service } from "@qingshan/client";
import { useCallback, useEffect, useRef, useState } from "react";
import { isOnBoard } from "../board/board";
import { postOf } from "../duties";
import { itemsOf } from "../forms/questionnaire";
import { expanded, formOf, listsOf } from "../forms/reading";
import { useService, useSession } from "../session";
import { deliver, recordOf, type Outcome } from "./courier";
import { ETA, isDone, unsent, warningsOf, type Drive, type Pack, type Paper, type Warning } from "./drive";
import { changeDrive, dropDrive, keepDrive, keepPack, keptDrives, keptPack } from "./kept";

/** How often what waits is tried again though nobody says that there is a line, in milliseconds. */
const AGAIN = 5_000;

/** The drives of whoever is signed in, as the device keeps them, and a courier that brings them to the record. */
export function useDrives() {
  const service = useService();
  const { account } = useSession();
  const [drives, setDrives] = useState<Drive[]>();
  const [outcome, setOutcome] = useState<Outcome>("sent");
  const isAt = useRef(false);
  const latest = useRef<Drive[]>([]);

  const show = useCallback((next: Drive[]) => {
    latest.current = next;
    setDrives(next);
  }, []);
  const replace = useCallback(
    (drive: Drive) => show([...latest.current.filter(({ id }) => id !== drive.id), drive].sort((left, right) => (left.began < right.began ? 1 : -1))),
    [show],
  );

  const bring = useCallback(async () => {
    if (isAt.current) return;
    isAt.current = true;
    try {
      const record = recordOf(service);
      let worst: Outcome = "sent";
      const tried = new Set<string>();
      // One case that the record stumbles over does not hold back the others; what is added meanwhile goes along.
      for (;;) {
        const next = latest.current.find((one) => unsent(one).length > 0 && !tried.has(one.id));
        if (next === undefined || worst === "signedOut") break;
        const keep = async (change: (old: Drive) => Drive) => {
          const changed = await changeDrive<Drive>(next.id, change);
          replace(changed);
          return changed;
        };
        const came = await deliver(next, record, keep, () => Date.now());
        if (came === "sent") continue;
        tried.add(next.id);
        worst = came;
      }
      setOutcome(worst);
      for (const { id } of latest.current.filter(isDone)) {
        await dropDrive(id);
        show(latest.current.filter((one) => one.id !== id));
      }
    } finally {
      isAt.current = false;
    }
  }, [service, replace, show]);

  useEffect(() => {
    let isHere = true;
    void keptDrives<Drive>().then((all) => {
      if (!isHere) return;
      show(all.filter((one) => one.account === account).sort((left, right) => (left.began < right.began ? 1 : -1)));
      void bring();
    });
    const timer = setInterval(() => void bring(), AGAIN);
    const online = () => void bring();
    addEventListener("online", online);
    return () => {
      isHere = false;
      clearInterval(timer);
      removeEventListener("online", online);
    };
  }, [account, bring, show]);

  /** Keeps a new drive on the device, and then sends it. */
  const add = useCallback(
    async (drive: Drive) => {
      await keepDrive(drive);
      replace(drive);
      void bring();
    },
    [bring, replace],
  );
  /** Changes a drive on the device, and then sends what that adds. */
  const change = useCallback(
    async (id: string, act: (drive: Drive) => Drive) => {
      replace(await changeDrive<Drive>(id, act));
      void bring();
    },
    [bring, replace],
  );
  return { drives, outcome, add, change, bring };
}

/** What is needed to begin a case: read while there is a line, and kept for when there is none. */
export function usePack(): { pack: Pack | undefined; cause: unknown; again(): void } {
  const service = useService();
  const session = useSession();
  const { account } = session;
  const duties = postOf(session)?.duties;
  const [pack, setPack] = useState<Pack>();
  const [cause, setCause] = useState<unknown>();
  const [times, setTimes] = useState(0);
  useEffect(() => {
    let isHere = true;
    setCause(undefined);
    const take = (next: Pack | undefined) => isHere && next !== undefined && setPack(next);
    const load = async () => {
      const runs = new Runs(service);
      const entries = (await runs.protocols()).filter(({ mayStart }) => mayStart);
      const protocols = await Promise.all(entries.map(({ code }) => runs.protocol(code)));
      const onRoad = warningsOf(protocols.filter(isOnBoard), duties ?? []);
      const institutions = await service.all<Organization>("Organization", { type: "prov", _elements: "name", _count: "200" });
      const next: Pack = {
        account,
        warnings: await Promise.all(onRoad.map((one) => whole(service, one, duties ?? []))),
        institutions: institutions.map(({ id, name }) => ({ id: id ?? "", name: name ?? "" })),
      };
      await keepPack(next);
      take(next);
    };
    void keptPack<Pack>(account).then((kept) => {
      take(kept);
      return load().catch((why: unknown) => isHere && setCause(why));
    });
    return () => {
      isHere = false;
    };
  }, [service, account, duties, times]);
  const again = useCallback(() => setTimes((old) => old + 1), []);
  useEffect(() => {
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, [again]);
  return { pack, cause, again };
}

/** A warning with the papers that it needs. */
async function whole(service: Service, one: Pick<Warning, "protocol" | "start">, duties: readonly string[]): Promise<Warning> {
  const paper = one.start.form === undefined ? undefined : await paperOf(service, one.start.form);
  const roles = (one.protocol.role ?? []).filter((role) => role.duties?.some((duty) => duties.includes(duty))).map(({ code }) => code);
  const own = (one.protocol.step ?? []).filter(({ who, form }) => form !== undefined && roles.includes(who));
  const papers = await Promise.all(own.map(async ({ code, form }) => ({ step: code, paper: await paperOf(service, form ?? "") })));
  const update = papers.find(({ paper }) => paper !== undefined && [...itemsOf(paper.form.item)].some(({ linkId }) => linkId === ETA));
  return { ...one, paper, update: update?.paper === undefined ? undefined : { step: update.step, paper: update.paper } };
}

async function paperOf(service: Service, code: string): Promise<Paper | undefined> {
  const form = await formOf(service, code);
  if (form === null) return undefined;
  const lists = await Promise.all(listsOf(form).map(async (address) => [address, await expanded(service, address)] as const));
  return { form, lists: Object.fromEntries(lists) };
}
