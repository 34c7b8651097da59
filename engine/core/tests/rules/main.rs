//! The rules of `domain.md` as tables: each test is named after the rule it proves.
//!
//! The README of the crate says which rule is proved by which test; `rules_have_tests.rs` holds it to
//! that. Instants are written as UTC wall-clock times of one day (see `scene.rs`); nothing sleeps.

#![allow(clippy::unwrap_used)]

mod asks;
mod call_list;
mod eligibility;
mod forecasting;
mod formats;
mod held;
mod late_policy;
mod life;
mod opening;
mod policies;
mod previews;
mod proxies;
mod refusals;
mod rewinding;
mod rounds;
mod running;
mod safety_net;
mod scene;
mod setting_up;
mod supernumerary;
mod suspending;
mod turns;
mod undoing;
mod views;
