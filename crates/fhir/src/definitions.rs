//! The official R4 definitions: elements, search parameters, compartments, value sets.
