//! Mails: who is told what, once; what it says; how it travels.

mod news;
pub mod office;
mod proxies;
mod sending;
mod zones;
