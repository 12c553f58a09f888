import { createContext, useContext } from "react";
import type { Department } from "./reading";

/** For whom a form holds places, and for what. */
export interface HoldAround {
  /** `Patient/…` */
  patient: string | undefined;
  /** The request that is to be carried out there, once there is one. */
  request: string | undefined;
  /** The institution that is asked, where one was chosen. */
  organization: string;
  /** How urgent it is, where that is known. */
  priority: string | undefined;
  /** A department was chosen. */
  onDepartment?: ((department: Department) => void) | undefined;
}

const Context = createContext<HoldAround | undefined>(undefined);

/** Gives the forms within it somebody to hold places for. */
export const HoldFor = Context;

/** For whom places are held here; nothing where nobody is known. */
export const useHoldAround = (): HoldAround | undefined => useContext(Context);
