//! For tests only: real material, a PostgreSQL cluster that lives as long as its test, and a record to put things in.

pub mod cast;
pub mod cluster;
pub mod dice;
pub mod half_year;
pub mod institutions;
pub mod material;
pub mod people;
pub mod place;
pub mod region;
pub mod stage;
