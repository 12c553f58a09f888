import { useIsFetching } from "@tanstack/react-query";
import { useEffect, useState } from "react";

/** How long nothing more has been asked for when a screen counts as read, in milliseconds: one answer leads to the next question. */
const QUIET = 150;

/** How long what is to be pressed is held back at most, in milliseconds: whoever has no network must be able to act. */
const MOST = 2_000;

/**
 * Whether what a screen begins with has been read. What comes in above a button moves it, and a press that falls on that
 * moment is lost or hits another one.
 */
export function useSettled(): boolean {
  const reading = useIsFetching({ predicate: ({ state }) => state.status === "pending" }) > 0;
  const [isSettled, setIsSettled] = useState(false);
  useEffect(() => {
    if (reading) return;
    const quiet = setTimeout(() => setIsSettled(true), QUIET);
    return () => clearTimeout(quiet);
  }, [reading]);
  useEffect(() => {
    const most = setTimeout(() => setIsSettled(true), MOST);
    return () => clearTimeout(most);
  }, []);
  return isSettled;
}
