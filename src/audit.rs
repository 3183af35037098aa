//! One AuditEvent for each decision: recorded before the answer leaves, inserted many at a time.
//!
//! A read reserves its place in a bounded queue before anything is fetched; a task inserts what is queued, at most
//! 50 ms after it came. When the queue is full or the last insert failed nothing may be read. What a crash can lose is
//! what was queued within those 50 ms and not yet inserted.
//!
//! An act (a sign-in, a decision, a token, what staff do) is recorded by the write that does it: both are durable or
//! neither is. [`Acts`] is the way to such a write.

mod act;
mod acts;
mod entry;
mod log;

pub use act::{AT_WORK, Act, ActKind, EXPLAINED_ACCESS, view_reason};
pub use acts::Acts;
pub use entry::Entry;
pub use log::{AuditLog, NoPlace, Place};
