//! The minutes: what they say is what the journal says, in every form.

mod everything;
mod forms;
mod paper;
mod routes;
mod session;
mod whole;
mod zones;
