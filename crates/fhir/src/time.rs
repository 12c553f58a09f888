//! FHIR dates and times as intervals.
