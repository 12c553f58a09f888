import { isLay } from "../duties";
import { useSession } from "../session";
import { ForResidents } from "./ForResidents";
import { ForStaff } from "./ForStaff";
import "./sessions.css";

/** Experts who come to the community: when, where, and who is seen. */
export default function SessionsPage() {
  return isLay(useSession()) ? <ForResidents /> : <ForStaff />;
}
