//! What the tests stand on.

pub(crate) mod database;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod mail;
pub(crate) mod postgres;
pub(crate) mod tls;
pub(crate) mod world;
pub(crate) mod yaml;
