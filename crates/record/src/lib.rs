//! The shared health record: FHIR R4 resources of everyone in the region, every version kept.
//!
//! One door: [`Record::session`] opens a [`Session`] for one caller and one purpose, and a session has a few verbs:
//! read, history, search, transact and changes. Whatever a caller may not do, or whatever must be written down
//! about what they did, is decided behind those verbs and cannot be walked around.
//!
//! Every write is one [`Session::transact`]: versions, index rows, feed entries and jobs commit together or not at all.

mod access;
mod audit;
mod check;
mod drawer;
mod feed;
mod follow;
mod history;
mod jobs;
mod lease;
pub mod person;
mod resource_type;
mod search;
mod session;
mod settings;
mod store;
mod transact;
pub mod tree;

pub use access::{DUTIES, Duty, EmergencyAccess, HeldRelation, Openness, Reason, Relation, Relations};
pub use audit::{Act, AuditSettings, Countersignature, Note, Outcome, Seal, SealKey, Verified};
pub use check::Soundness;
pub use drawer::Drawer;
pub use feed::{FeedEntry, Method};
pub use follow::Follower;
pub use history::{HistoryPage, HistoryRequest, HistoryScope};
pub use jobs::{Job, Jobs};
pub use lease::Lease;
pub use resource_type::ResourceType;
pub use search::{Pages, SearchPage, SearchRequest, is_offered};
pub use session::{Caller, Key, Lay, Machine, Post, Session, Standing, Version};
pub use settings::{Clock, Limits, Location, Randomness, Settings, Surroundings, SystemClock, SystemRandomness};
pub use store::Record;
pub use store::catalog::IndexProgress;
pub use transact::{Action, Applied, Change, Effect, Patch, Refusal, Target};
