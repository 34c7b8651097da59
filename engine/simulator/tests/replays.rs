//! The program from outside: a plan is the same run, whoever plays it and how often.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::process::{Command, Output};

fn simulator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_amphi-simulator")).args(arguments).output().unwrap()
}

#[test]
fn c1_a_seed_gives_the_same_run_in_every_process() {
    for profile in ["all", "clock", "journal", "persons"] {
        for seed in ["1", "2", "3", "4", "5"] {
            let [first, second] =
                [(); 2].map(|()| simulator(&["replay", "--seed", seed, "--profile", profile, "-v"]));
            assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stdout));
            assert_eq!(first.stdout, second.stdout, "{profile} {seed}");
        }
    }
}

#[test]
fn what_is_not_a_plan_is_refused() {
    let refused = simulator(&["replay", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("this is not a plan"));
}
