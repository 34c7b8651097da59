#!/usr/bin/env bash
# Counts the instructions of the core, of framing, of a broadcast round and of the journal's chain (engine/benches/instructions.rs) and
# compares them with what is expected; UPDATE_GOLDEN=1 writes down what they are.
# What is counted is compiled as in a release; the libraries below it as the tests have them already, so that only
# our own two packages are compiled for this.
set -euo pipefail
cd "$(dirname "$0")/.."

optimised=()
for package in amphi-core amphi-engine; do
    optimised+=(--config "profile.dev.package.$package.opt-level=3")
    optimised+=(--config "profile.dev.package.$package.debug-assertions=false")
    optimised+=(--config "profile.dev.package.$package.overflow-checks=false")
done
# With the features of the whole workspace, so that no library is built twice.
SQLX_OFFLINE=true cargo bench --workspace --locked --profile dev --bench instructions "${optimised[@]}"
