//! For tests only: real material, and a record to put it in.

pub mod material;
