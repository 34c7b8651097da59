//! Seeded worlds on the real engine.

fn main() {}
