//! The minutes: what they say is what the journal says, in every form.

mod session;
mod whole;
