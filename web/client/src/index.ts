export * from "./failure";
export * from "./fhir";
export { follow, type Change, type Following, type LiveState } from "./live";
export { signIn, Service, type Answer, type Page, type SignedIn } from "./service";
