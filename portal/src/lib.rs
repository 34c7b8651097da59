#![doc = include_str!("../README.md")]

mod access;
mod acting;
mod amphi;
mod assets;
pub mod audit;
mod control;
pub mod doors;
pub mod drafting;
pub mod eligibility;
mod entrance;
mod failure;
pub mod import;
pub mod links;
mod live;
pub mod mail;
pub mod minutes;
pub mod pages;
pub mod passes;
pub mod people;
pub mod pool;
mod proxies;
pub mod receipts;
pub mod retention;
pub mod rounds;
mod security;
mod server;
mod sessions;
mod watching;
mod wishes;
mod writing;

pub use server::{Portal, router};
