//! One person, however often they were registered.
//!
//! Every Patient is written together with [`keys`] under which it is found by those it may be of one person with. A
//! follower of the change feed compares each new or changed registration with them, as in Fellegi and Sunter, by the
//! weights in `person.toml`. What is sure is joined in a `Person`; what is doubtful becomes a `Task` for a registrar,
//! whose answer is kept and never asked for again.
//!
//! A registration is never rewritten and nothing that belongs to it is given another key: whoever wants all of a human's
//! record asks [`Session::same_person`] for all their registrations.
//!
//! [`Session::same_person`]: crate::Session::same_person

mod find;
mod follow;
mod keys;
mod link;
mod matching;
mod merge;
mod resident_id;
mod review;
mod score;
mod traits;

pub(crate) use find::Census;
pub use find::Match;
pub use keys::keys;
pub use matching::{Field, Matching};
pub use merge::SamePerson;
pub use resident_id::ResidentId;
pub use score::{Crowd, Level, Reason, Score, Verdict, score};
pub use traits::{Sex, Traits};
