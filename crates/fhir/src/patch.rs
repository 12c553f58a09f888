//! JSON Patch and FHIRPath Patch.
