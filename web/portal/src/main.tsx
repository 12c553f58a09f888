import { QueryClientProvider } from "@tanstack/react-query";
import { Failure } from "@qingshan/client";
import { StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { Cache } from "./cache";
import { firstLocale, Language, load } from "./language";
import { Guard, part, report } from "./part";
import { patiently } from "./patiently";
import { SessionKeeper } from "./session";
import { Shell } from "./Shell";
import { Look } from "./look";
import { SettingsKeeper } from "./settings";
import "./look.css";

/** Attempts after the first at a question that nobody answered. */
const MOST_RETRIES = 3;

const cache = new Cache({
  defaultOptions: {
    queries: {
      // A ward computer behind a bad switch says that it is online; the request itself is the only test.
      networkMode: "always",
      // What was read before a line was lost is read again once it is back.
      refetchOnReconnect: true,
      staleTime: 10_000,
      retry: (times, cause) =>
        times < MOST_RETRIES && cause instanceof Failure && (cause.kind === "offline" || cause.kind === "busy"),
    },
    mutations: { networkMode: "always" },
  },
});

// The map is for everybody: nothing of it waits for somebody to sign in, and nothing else is loaded for it.
const MapPage = part(() => import("./map/MapPage"));
const isMap = location.pathname === "/map";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html holds the root");
const first = await patiently(() => load(firstLocale()));
createRoot(root, { onCaughtError: report }).render(
  <StrictMode>
    <QueryClientProvider client={cache}>
      <Language first={first}>
        {(loaded) => (
          <SettingsKeeper>
            <Look components={loaded.components}>
              <Guard>
                {isMap ? (
                  <Suspense>
                    <MapPage />
                  </Suspense>
                ) : (
                  <SessionKeeper>
                    <Shell />
                  </SessionKeeper>
                )}
              </Guard>
            </Look>
          </SettingsKeeper>
        )}
      </Language>
    </QueryClientProvider>
  </StrictMode>,
);
