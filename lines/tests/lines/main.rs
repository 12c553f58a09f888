//! The lines, as they are embedded: that they are sound, and that they do what their scenarios tell.

mod chance;
mod criteria;
mod documents;
mod folders;
mod paths;
mod plan;
mod reasons;
mod recorded;
mod replay;
mod scenarios;
mod scores;
mod sound;
mod stage;
mod story;
