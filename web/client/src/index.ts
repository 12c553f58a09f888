export {
  Account,
  type AppRequest,
  type Attempt,
  type CastMember,
  type OpenSession,
  type PasswordChange,
  type Post,
  type Provider,
  type Session,
} from "./account";
export * from "./failure";
export * from "./fhir";
export { follow, type Change, type Following, type LiveState } from "./live";
export * from "./paging";
export * from "./runs";
export { Service, type Answer, type Credentials, type Page } from "./service";
