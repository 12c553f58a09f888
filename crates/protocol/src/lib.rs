//! Care protocols as data, and the engine that runs them on the record.
//!
//! A [`Protocol`] says who does what, what each step requires, which clocks run between which milestones, and what
//! follows when a milestone is reached. A [`Run`] is one protocol under way for one person. [`step`] is the whole of the
//! engine's judgement: a run, an event and the time give the run that follows and what is to be done about it. It is pure.
//! Everything else in this crate carries runs to the record and back.
//!
//! Three words hold it together. A *step* is something somebody does. A *milestone* is something that has come about,
//! with a time; steps, facts of the record and clocks reach milestones, and all consequences hang on milestones. A *clock*
//! runs from one milestone to another.

pub mod check;
pub mod criteria;
pub mod definition;
pub mod engine;
pub mod figures;
pub mod form;
pub mod knowledge;
pub mod rehearsal;
pub mod run;
pub mod task;
pub mod text;
pub mod view;

pub use definition::{Code, Protocol, Words};
pub use engine::{Act, Engine, Library, Standing, Start};
pub use form::Form;
pub use run::{Deed, Effect, Event, Run, step};
pub use text::{Files, Line};
