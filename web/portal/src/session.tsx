import { Account, Service, type Session } from "@qingshan/client";
import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { flushSync } from "react-dom";
import { navigate } from "wouter/use-browser-location";
import { endShift, forgetCrew, keptCrew } from "./ambulance/offline";
import { purposeOf } from "./duties";
import { forgetOthers } from "./forms/kept";

/** How this browser stands to the record. */
export type Standing =
  | { kind: "asking" }
  /** Whether somebody is signed in could not be found out. */
  | { kind: "unknown"; cause: unknown }
  | { kind: "out" }
  | { kind: "in"; session: Session }
  /** The session ended by itself. What was on the screen is hidden, not thrown away: there may be half a form. */
  | { kind: "locked"; session: Session };

interface Door {
  account: Account;
  standing: Standing;
  /** The record as whoever signed in sees it; absent while nobody has. */
  service: Service | undefined;
  /** When the service was last heard, in milliseconds since 1970; idleness counts from there. */
  heard(): number;
  /** Takes the session that signing in, or choosing a post, gave. */
  enter(session: Session): void;
  /** Asks the service who is signed in. Unless it is a mere peek, that keeps them signed in. */
  renew(isPeek?: boolean): Promise<void>;
  leave(): Promise<void>;
}

const Context = createContext<Door | undefined>(undefined);

/** Who is signed in at this screen, and the ways in and out. */
export function useDoor(): Door {
  const door = useContext(Context);
  if (door === undefined) throw new Error("a screen stands inside SessionKeeper");
  return door;
}

/** The session of whoever is signed in. Only for screens that are shown to nobody else. */
export function useSession(): Session {
  const { standing } = useDoor();
  if (!("session" in standing)) throw new Error("this screen is shown after signing in");
  return standing.session;
}

/** The record as the signed-in person sees it. Only for screens that are shown to nobody else. */
export function useService(): Service {
  const { service } = useDoor();
  if (service === undefined) throw new Error("this screen is shown after signing in");
  return service;
}

/** Tabs of one browser share one session, so each tells the others when it changes. */
const tabs = new BroadcastChannel("qingshan.session");

/** As whom and what somebody is here; whatever was read as another is not theirs to see. */
export function hatOf(session: Session): string {
  return `${session.account}|${session.post ?? ""}`;
}

/** Keeps the session of this browser. */
export function SessionKeeper({ children }: { children: ReactNode }) {
  const [standing, setStanding] = useState<Standing>({ kind: "asking" });
  const cache = useQueryClient();
  const heard = useRef(Date.now());
  const account = useMemo(() => new Account(location.origin), []);
  const hat = useRef<string>(undefined);
  const current = useRef<string>(undefined);
  const isLeaving = useRef(false);

  const hear = useCallback(() => {
    // Other tabs keep the same session awake; they need not know it to the second.
    if (Date.now() - heard.current > 5_000) tabs.postMessage("heard");
    heard.current = Date.now();
  }, []);
  const forget = useCallback(() => {
    const wasIn = hat.current !== undefined;
    hat.current = undefined;
    cache.clear();
    forgetOthers(undefined);
    endShift();
    // No screen of the last one is there any more when the address changes, or it would lead to where they begin.
    flushSync(() => setStanding({ kind: "out" }));
    // Whoever comes next begins at their own first screen, not before the patient whom the last one looked at.
    if (wasIn) navigate("/", { replace: true });
  }, [cache]);
  const settle = useCallback(
    (session: Session | undefined) => {
      // The stream of a session that is being signed out may hear of its end before the answer to signing out comes;
      // nothing is kept behind the door for somebody who is leaving.
      if (session === undefined && isLeaving.current) return forget();
      const next = session && hatOf(session);
      if (next !== undefined && next !== hat.current) {
        // What one person could see, or one person in another post, must not be on the screen of the next.
        const isAnother = hat.current !== undefined && !hat.current.startsWith(`${session?.account}|`);
        if (isAnother) forget();
        cache.clear();
        forgetOthers(session?.account);
        hat.current = next;
      }
      if (session === undefined) forgetCrew();
      current.current = session?.csrf;
      setStanding((old) => {
        if (session !== undefined) return { kind: "in", session };
        return "session" in old ? { kind: "locked", session: old.session } : { kind: "out" };
      });
    },
    [cache, forget],
  );
  const renew = useCallback(async (isPeek = false) => {
    try {
      const session = await account.session(isPeek);
      if (!isPeek) hear();
      // Kept awake by another of their browsers' tabs, or told by a slower clock: it is asked again within a minute.
      else if (session !== undefined) heard.current = Math.max(heard.current, Date.now() - session.idleSeconds * 1000 + 60_000);
      settle(session);
    } catch (cause) {
      // A tablet that was killed in a tunnel goes on as who was at it; whatever it sends is judged when it arrives.
      const crew = keptCrew(Date.now());
      const begun: Standing = crew === undefined ? { kind: "unknown", cause } : { kind: "in", session: crew };
      setStanding((old) => (old.kind === "asking" || old.kind === "unknown" ? begun : old));
    }
  }, [account, hear, settle]);

  useEffect(() => {
    void renew();
    const listen = ({ data }: MessageEvent<"changed" | "left" | "heard">) => {
      if (data === "heard") heard.current = Date.now();
      else if (data === "left") forget();
      else void renew(true);
    };
    const look = () => {
      if (document.visibilityState === "visible") void renew();
    };
    tabs.addEventListener("message", listen);
    document.addEventListener("visibilitychange", look);
    return () => {
      tabs.removeEventListener("message", listen);
      document.removeEventListener("visibilitychange", look);
    };
  }, [renew, forget]);

  const session = "session" in standing ? standing.session : undefined;
  const csrf = session?.csrf;
  const purpose = session && purposeOf(session);
  const who = session && hatOf(session);
  const service = useMemo(() => {
    if (csrf === undefined || purpose === undefined || who === undefined) return undefined;
    // A refusal on its way since the session before does not end the one that somebody has signed in to meanwhile.
    const end = () => current.current === csrf && settle(undefined);
    return new Service(location.origin, { csrf, purpose }, end, hear);
  }, [csrf, purpose, who, settle, hear]);

  const door = useMemo<Door>(
    () => ({
      account,
      standing,
      service,
      heard: () => heard.current,
      enter(next) {
        hear();
        settle(next);
        tabs.postMessage("changed");
      },
      renew,
      async leave() {
        isLeaving.current = true;
        try {
          if (csrf !== undefined) await account.signOut(csrf);
          forget();
        } finally {
          isLeaving.current = false;
        }
        tabs.postMessage("left");
      },
    }),
    [account, standing, service, csrf, settle, hear, renew, forget],
  );
  return <Context value={door}>{children}</Context>;
}
