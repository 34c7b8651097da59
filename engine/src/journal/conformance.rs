//! One suite for every journal: what a room relies on, said once.
