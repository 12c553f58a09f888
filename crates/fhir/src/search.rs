//! Search parameters and what they find in a resource.
