//! Value sets and code systems.
