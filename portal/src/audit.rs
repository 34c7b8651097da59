//! Who took what away: minutes, journals, documents, receipts (domain 7).
//!
//! Lines of the log under a target of their own, which the program writes whatever the level of the rest. They name
//! amphi and rank; never a person, an address or a code.

/// The target of these lines, alone: what is sent to it is kept.
pub const TARGET: &str = "amphi::audit";
