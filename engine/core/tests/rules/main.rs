//! The rules of `domain.md` as tables: each test is named after the rule it proves.
//!
//! The README of the crate says which rule is proved by which test; `rules_have_tests.rs` holds it to
//! that. Instants are written as UTC wall-clock times of one day (see `scene.rs`); nothing sleeps.

#![allow(clippy::unwrap_used)]

mod call_list;
mod forecasting;
mod held;
mod life;
mod opening;
mod refusals;
mod scene;
mod setting_up;
mod suspending;
mod turns;
mod views;
