import { Service, signIn, type SignedIn } from "@qingshan/client";
import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";

/** Kept for this tab only, so that a reload does not sign out and a closed tab does. */
const KEPT = "qingshan.session";

interface Session {
  /** The record as whoever signed in sees it; absent while nobody has. */
  service: Service | undefined;
  /** Whether the last session ended by itself. */
  hasExpired: boolean;
  /** Throws `Failure` when it is refused. */
  enter(id: string, secret: string): Promise<void>;
  leave(): void;
}

const Context = createContext<Session | undefined>(undefined);

/** Who is signed in at this screen. */
export function useSession(): Session {
  const session = useContext(Context);
  if (session === undefined) throw new Error("a screen stands inside SessionKeeper");
  return session;
}

/** The record as the signed-in person sees it. Only for screens that are shown to nobody else. */
export function useService(): Service {
  const { service } = useSession();
  if (service === undefined) throw new Error("this screen is shown after signing in");
  return service;
}

/** Keeps the session of this tab. */
export function SessionKeeper({ children }: { children: ReactNode }) {
  const [signedIn, setSignedIn] = useState(kept);
  const [hasExpired, setHasExpired] = useState(false);
  const cache = useQueryClient();

  const end = useCallback(
    (byItself: boolean) => {
      sessionStorage.removeItem(KEPT);
      setSignedIn(undefined);
      setHasExpired(byItself);
      // What one person could see must not be on the screen of the next.
      cache.clear();
    },
    [cache],
  );
  const enter = useCallback(async (id: string, secret: string) => {
    const next = await signIn(location.origin, id, secret, Date.now());
    sessionStorage.setItem(KEPT, JSON.stringify(next));
    setHasExpired(false);
    setSignedIn(next);
  }, []);
  const session = useMemo<Session>(() => {
    const service = signedIn && new Service(location.origin, signedIn.token, () => end(true));
    return { service, hasExpired, enter, leave: () => end(false) };
  }, [signedIn, hasExpired, enter, end]);
  return <Context value={session}>{children}</Context>;
}

function kept(): SignedIn | undefined {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as SignedIn | null;
    return found !== null && found.until > Date.now() ? found : undefined;
  } catch {
    return undefined;
  }
}
