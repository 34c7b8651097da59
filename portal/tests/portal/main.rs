//! The portal through its routes: who may see and do what, what every answer says to browsers, and the
//! whole story of a choice without JavaScript.

#![allow(clippy::unwrap_used)]

mod answers;
mod connecting;
mod control;
mod doors;
mod dropped;
mod eligibility;
mod french_days;
mod mails;
mod minutes;
mod origins;
mod passes;
mod policies;
#[path = "../../../engine/tests/support/postgres.rs"]
mod postgres;
mod proxies;
mod receipts;
mod retention;
mod rights;
mod rounds;
#[path = "../../../engine/tests/support/scene.rs"]
mod scene;
mod site;
mod story;
mod texts;
mod times_vectors;
mod wishes;
