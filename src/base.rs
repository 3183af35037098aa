//! Floor 0: the vocabulary that every other module speaks. No I/O.

pub mod clock;
pub mod hash;
pub mod id;
pub mod keys;
pub mod random;
pub mod secret;
pub mod source_key;
