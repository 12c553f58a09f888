/**
 * The parts of FHIR R4 that the portal reads and writes. Members that no screen shows are left out; the record keeps
 * them all the same. <http://hl7.org/fhir/R4/resourcelist.html>
 */

/** A moment or a day in FHIR's own notation: `2026`, `2026-03`, `2026-03-09` or `2026-03-09T08:30:00+08:00`. */
export type When = string;

export interface Extension {
  url: string;
  extension?: Extension[];
  valueString?: string;
  valueCode?: string;
  valueBoolean?: boolean;
  valueInteger?: number;
  valueDecimal?: number;
  valueDate?: When;
  valueDateTime?: When;
  valueCoding?: Coding;
  valueCodeableConcept?: CodeableConcept;
  valueExpression?: Expression;
}

/** What an element carries besides its value, such as its translations. <http://hl7.org/fhir/R4/extensibility.html> */
export interface Element {
  extension?: Extension[];
}

/** <http://hl7.org/fhir/R4/metadatatypes.html#Expression> */
export interface Expression {
  name?: string;
  language: string;
  expression?: string;
}

export interface Coding extends Element {
  system?: string;
  code?: string;
  display?: string;
  _display?: Element;
}

export interface CodeableConcept {
  coding?: Coding[];
  text?: string;
}

export interface Period {
  start?: When;
  end?: When;
}

export interface Identifier {
  use?: string;
  type?: CodeableConcept;
  system?: string;
  value?: string;
  period?: Period;
}

export interface HumanName {
  use?: "usual" | "official" | "temp" | "nickname" | "anonymous" | "old" | "maiden";
  text?: string;
  family?: string;
  given?: string[];
}

export interface ContactPoint {
  system?: "phone" | "fax" | "email" | "pager" | "url" | "sms" | "other";
  value?: string;
  use?: string;
}

export interface Attachment {
  contentType?: string;
  data?: string;
  title?: string;
  size?: number;
}

export interface Quantity {
  value?: number;
  comparator?: "<" | "<=" | ">=" | ">";
  unit?: string;
  system?: string;
  code?: string;
}

export interface Reference {
  reference?: string;
  type?: string;
  display?: string;
}

export interface Resource {
  resourceType: string;
  id?: string;
  meta?: { versionId?: string; lastUpdated?: When; tag?: Coding[] };
}

export type Sex = "male" | "female" | "other" | "unknown";

export interface Patient extends Resource {
  resourceType: "Patient";
  active?: boolean;
  identifier?: Identifier[];
  name?: HumanName[];
  telecom?: ContactPoint[];
  gender?: Sex;
  birthDate?: When;
  address?: { text?: string; line?: string[] }[];
  link?: { other: Reference; type: "replaced-by" | "replaces" | "refer" | "seealso" }[];
  deceasedBoolean?: boolean;
  deceasedDateTime?: When;
}

export interface ObservationComponent {
  code: CodeableConcept;
  valueQuantity?: Quantity;
  valueCodeableConcept?: CodeableConcept;
  valueString?: string;
  valueSampledData?: SampledData;
  dataAbsentReason?: CodeableConcept;
}

export interface Device extends Resource {
  resourceType: "Device";
  identifier?: Identifier[];
  deviceName?: { name: string; type: string }[];
}

/** What was sampled at equal distances of time, in milliseconds. <http://hl7.org/fhir/R4/datatypes.html#SampledData> */
export interface SampledData {
  origin: Quantity;
  period: number;
  factor?: number;
  dimensions?: number;
  /** Numbers, and `E`, `U` or `L` where there is none, with a space between. */
  data?: string;
}

export interface Observation extends Resource {
  resourceType: "Observation";
  identifier?: Identifier[];
  status: string;
  category?: CodeableConcept[];
  code: CodeableConcept;
  subject?: Reference;
  effectiveDateTime?: When;
  effectivePeriod?: Period;
  issued?: When;
  valueQuantity?: Quantity;
  valueCodeableConcept?: CodeableConcept;
  valueString?: string;
  valueBoolean?: boolean;
  valueInteger?: number;
  component?: ObservationComponent[];
  interpretation?: CodeableConcept[];
  referenceRange?: { low?: Quantity; high?: Quantity; text?: string }[];
  note?: { text?: string }[];
  device?: Reference;
  extension?: Extension[];
}

export interface Encounter extends Resource {
  resourceType: "Encounter";
  status: string;
  class?: Coding;
  type?: CodeableConcept[];
  reasonCode?: CodeableConcept[];
  period?: Period;
  serviceProvider?: Reference;
}

export interface Condition extends Resource {
  resourceType: "Condition";
  clinicalStatus?: CodeableConcept;
  verificationStatus?: CodeableConcept;
  code?: CodeableConcept;
  onsetDateTime?: When;
  abatementDateTime?: When;
  recordedDate?: When;
}

export interface MedicationRequest extends Resource {
  resourceType: "MedicationRequest";
  status: string;
  intent: string;
  medicationCodeableConcept?: CodeableConcept;
  medicationReference?: Reference;
  authoredOn?: When;
  dosageInstruction?: { text?: string }[];
}

export interface Procedure extends Resource {
  resourceType: "Procedure";
  status: string;
  code?: CodeableConcept;
  performedDateTime?: When;
  performedPeriod?: Period;
}

export interface DiagnosticReport extends Resource {
  resourceType: "DiagnosticReport";
  status: string;
  code: CodeableConcept;
  effectiveDateTime?: When;
  effectivePeriod?: Period;
  subject?: Reference;
  issued?: When;
  result?: Reference[];
  resultsInterpreter?: Reference[];
  conclusion?: string;
}

export interface Immunization extends Resource {
  resourceType: "Immunization";
  status: string;
  vaccineCode: CodeableConcept;
  occurrenceDateTime?: When;
}

export interface AllergyIntolerance extends Resource {
  resourceType: "AllergyIntolerance";
  clinicalStatus?: CodeableConcept;
  criticality?: "low" | "high" | "unable-to-assess";
  code?: CodeableConcept;
  recordedDate?: When;
  onsetDateTime?: When;
}

export interface Organization extends Resource {
  resourceType: "Organization";
  active?: boolean;
  identifier?: Identifier[];
  type?: CodeableConcept[];
  name?: string;
  alias?: string[];
  partOf?: Reference;
  telecom?: ContactPoint[];
  address?: { text?: string; line?: string[] }[];
}

/** What an institution or one of its departments offers. */
export interface HealthcareService extends Resource {
  resourceType: "HealthcareService";
  active?: boolean;
  identifier?: Identifier[];
  providedBy?: Reference;
  name?: string;
}

export interface OrganizationAffiliation extends Resource {
  resourceType: "OrganizationAffiliation";
  identifier?: Identifier[];
  active?: boolean;
  period?: Period;
  organization?: Reference;
  participatingOrganization?: Reference;
  network?: Reference[];
  code?: CodeableConcept[];
  specialty?: CodeableConcept[];
}

export interface Practitioner extends Resource {
  resourceType: "Practitioner";
  active?: boolean;
  identifier?: Identifier[];
  name?: HumanName[];
  telecom?: ContactPoint[];
}

export interface PractitionerRole extends Resource {
  resourceType: "PractitionerRole";
  identifier?: Identifier[];
  telecom?: ContactPoint[];
  active?: boolean;
  period?: Period;
  practitioner?: Reference;
  organization?: Reference;
  code?: CodeableConcept[];
}

/** <http://hl7.org/fhir/R4/appointment.html> */
export interface Appointment extends Resource {
  resourceType: "Appointment";
  extension?: Extension[];
  status: string;
  cancelationReason?: CodeableConcept;
  start?: When;
  end?: When;
  slot?: Reference[];
  basedOn?: Reference[];
  participant: { actor?: Reference; status: string }[];
}

/** <http://hl7.org/fhir/R4/schedule.html> */
export interface Schedule extends Resource {
  resourceType: "Schedule";
  active?: boolean;
  extension?: Extension[];
  specialty?: CodeableConcept[];
  actor: Reference[];
  planningHorizon?: Period;
  comment?: string;
  _comment?: Element;
}

export interface Flag extends Resource {
  resourceType: "Flag";
  status: string;
  code?: CodeableConcept;
  period?: Period;
}

export type ItemType =
  | "group"
  | "display"
  | "question"
  | "boolean"
  | "decimal"
  | "integer"
  | "date"
  | "dateTime"
  | "time"
  | "string"
  | "text"
  | "url"
  | "choice"
  | "open-choice"
  | "attachment"
  | "reference"
  | "quantity";

/** One value of an answer, a default or a choice; exactly one member is there. */
export interface AnswerValue {
  valueBoolean?: boolean;
  valueDecimal?: number;
  valueInteger?: number;
  valueDate?: When;
  valueDateTime?: When;
  valueTime?: string;
  valueString?: string;
  valueUri?: string;
  valueAttachment?: Attachment;
  valueCoding?: Coding;
  valueQuantity?: Quantity;
  valueReference?: Reference;
}

export interface EnableWhen {
  question: string;
  operator: "exists" | "=" | "!=" | ">" | "<" | ">=" | "<=";
  answerBoolean?: boolean;
  answerDecimal?: number;
  answerInteger?: number;
  answerDate?: When;
  answerDateTime?: When;
  answerTime?: string;
  answerString?: string;
  answerCoding?: Coding;
  answerQuantity?: Quantity;
  answerReference?: Reference;
}

/** <http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item> */
export interface QuestionnaireItem extends Element {
  linkId: string;
  type: ItemType;
  code?: Coding[];
  prefix?: string;
  text?: string;
  _text?: Element;
  enableWhen?: EnableWhen[];
  enableBehavior?: "all" | "any";
  required?: boolean;
  repeats?: boolean;
  readOnly?: boolean;
  maxLength?: number;
  answerValueSet?: string;
  answerOption?: (Element & AnswerValue & { initialSelected?: boolean })[];
  initial?: AnswerValue[];
  item?: QuestionnaireItem[];
}

export interface Questionnaire extends Resource, Element {
  resourceType: "Questionnaire";
  url?: string;
  version?: string;
  title?: string;
  _title?: Element;
  status: string;
  item?: QuestionnaireItem[];
}

export interface ResponseItem {
  linkId: string;
  text?: string;
  _text?: Element;
  answer?: (AnswerValue & { item?: ResponseItem[] })[];
  item?: ResponseItem[];
}

export interface QuestionnaireResponse extends Resource {
  resourceType: "QuestionnaireResponse";
  identifier?: Identifier;
  basedOn?: Reference[];
  partOf?: Reference[];
  questionnaire?: string;
  status: "in-progress" | "completed" | "amended" | "entered-in-error" | "stopped";
  subject?: Reference;
  authored?: When;
  author?: Reference;
  item?: ResponseItem[];
}

/** A code of a system, with the codes below it. */
export interface Concept extends Element {
  code: string;
  display?: string;
  designation?: { language?: string; value: string }[];
  concept?: Concept[];
}

export interface CodeSystem extends Resource {
  resourceType: "CodeSystem";
  url?: string;
  concept?: Concept[];
}

export interface ValueSet extends Resource {
  resourceType: "ValueSet";
  url?: string;
  expansion?: { contains?: Coding[] };
}

export interface Annotation {
  text: string;
  time?: When;
}

export interface TaskInput {
  type: CodeableConcept;
  valueReference?: Reference;
  valueString?: string;
  valueDecimal?: number;
  valueCodeableConcept?: CodeableConcept;
  valueCoding?: Coding;
  valueCode?: string;
}

/** A message about a run. <http://hl7.org/fhir/R4/communication.html> */
export interface Communication extends Resource {
  resourceType: "Communication";
  status: string;
  category?: CodeableConcept[];
  priority?: string;
  subject?: Reference;
  about?: Reference[];
  sent?: When;
  recipient?: Reference[];
  payload?: { contentString?: string; _contentString?: Element }[];
}

/** What is planned for somebody. */
export interface CarePlan extends Resource {
  resourceType: "CarePlan";
  status: string;
  intent: string;
  title?: string;
  description?: string;
  period?: Period;
  author?: Reference;
  careTeam?: Reference[];
  goal?: Reference[];
  activity?: { detail?: PlannedActivity }[];
}

/** One thing that is to be done, or to be kept in mind. */
export interface PlannedActivity {
  kind?: string;
  code?: CodeableConcept;
  reasonCode?: CodeableConcept[];
  status: string;
  scheduledPeriod?: Period;
  scheduledString?: string;
  location?: Reference;
  performer?: Reference[];
  productCodeableConcept?: CodeableConcept;
  description?: string;
}

/** What is aimed at. */
export interface Goal extends Resource {
  resourceType: "Goal";
  lifecycleStatus: string;
  description: CodeableConcept;
  target?: { measure?: CodeableConcept; detailString?: string; dueDate?: When }[];
}

export interface AuditEvent extends Resource {
  resourceType: "AuditEvent";
  type: Coding;
  subtype?: Coding[];
  recorded?: When;
  outcome?: string;
  purposeOfEvent?: CodeableConcept[];
  agent?: { type?: CodeableConcept; who?: Reference & { identifier?: Identifier }; role?: CodeableConcept[] }[];
}

export interface Task extends Resource, Element {
  resourceType: "Task";
  status: string;
  intent: string;
  priority?: string;
  instantiatesCanonical?: string;
  groupIdentifier?: Identifier;
  partOf?: Reference[];
  performerType?: CodeableConcept[];
  code?: CodeableConcept;
  description?: string;
  focus?: Reference;
  for?: Reference;
  authoredOn?: When;
  executionPeriod?: Period;
  restriction?: { period?: Period };
  requester?: Reference;
  owner?: Reference;
  businessStatus?: CodeableConcept;
  statusReason?: CodeableConcept;
  reasonCode?: CodeableConcept;
  note?: Annotation[];
  input?: TaskInput[];
  output?: TaskInput[];
}

/** Somebody who acts for a patient. <http://hl7.org/fhir/R4/relatedperson.html> */
export interface RelatedPerson extends Resource {
  resourceType: "RelatedPerson";
  active?: boolean;
  patient: Reference;
  relationship?: CodeableConcept[];
  name?: HumanName[];
}

export interface Consent extends Resource {
  resourceType: "Consent";
  identifier?: Identifier[];
  status: string;
  scope: CodeableConcept;
  category: CodeableConcept[];
  patient?: Reference;
  dateTime?: When;
  policyRule?: CodeableConcept;
  provision?: ConsentProvision;
}

export interface ConsentProvision {
  type?: "deny" | "permit";
  period?: Period;
  actor?: { role: CodeableConcept; reference: Reference }[];
  provision?: ConsentProvision[];
}

/** One part of what an operation is asked or answers. <http://hl7.org/fhir/R4/parameters.html> */
export interface Parameter {
  name: string;
  valueString?: string;
  valueCode?: string;
  valueBoolean?: boolean;
  valueInteger?: number;
  valueDecimal?: number;
  valueUri?: string;
  valueId?: string;
  valueDate?: When;
  valueDateTime?: When;
  valueInstant?: When;
  valuePeriod?: Period;
  valueCoding?: Coding;
  valueCodeableConcept?: CodeableConcept;
  valueReference?: Reference;
  resource?: Resource;
  part?: Parameter[];
  valueAttachment?: Attachment;
}

export interface Parameters extends Resource {
  resourceType: "Parameters";
  parameter?: Parameter[];
}

export interface OperationOutcome extends Resource {
  resourceType: "OperationOutcome";
  issue?: { severity: string; code: string; diagnostics?: string; details?: CodeableConcept; expression?: string[] }[];
}

export interface BundleEntry {
  fullUrl?: string;
  resource?: Resource;
  search?: { mode?: "match" | "include" | "outcome" };
  request?: { method: string; url: string; ifMatch?: string };
  response?: { status: string; location?: string; outcome?: Resource };
}

export interface Bundle extends Resource {
  resourceType: "Bundle";
  type: string;
  total?: number;
  link?: { relation: string; url: string }[];
  entry?: BundleEntry[];
}
