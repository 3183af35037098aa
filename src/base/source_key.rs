use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hash::base32;
use super::random::Random;

/// Crockford's alphabet has no `i`, `l`, `o`, `u`: neither confusion with digits nor the reserved key `self`.
const ALPHABET: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The id space of one source: 4 characters of lower-case Crockford base32, fixed when it is connected, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey([u8; Self::LENGTH]);

/// A text that is no source key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a source key is 4 characters of Crockford base32 in lower case, or `self`")]
pub struct SourceKeyError;

impl SourceKey {
    /// The key of what this gateway itself owns. No minted key can be it: `l` is not in the alphabet.
    pub const SELF: Self = Self(*b"self");

    /// How many characters it has.
    pub const LENGTH: usize = 4;

    /// Mints one: 20 random bits. The unique index of the table decides whether it is free.
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        let text = base32(&random.bytes::<3>());
        let mut key = [b'0'; 4];
        for (to, from) in key.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Self(key)
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Always ASCII: the only makers are `mint`, `from_str` and `SELF`.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for SourceKey {
    type Err = SourceKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key: [u8; 4] = text.as_bytes().try_into().map_err(|_| SourceKeyError)?;
        if key == Self::SELF.0 || key.iter().all(|c| ALPHABET.contains(c)) {
            Ok(Self(key))
        } else {
            Err(SourceKeyError)
        }
    }
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for SourceKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SourceKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn minted_keys_parse_and_are_never_self() {
        let random = SeededRandom::new(7);
        for _ in 0..10_000 {
            let key = SourceKey::mint(&random);
            assert_eq!(key.as_str().parse(), Ok(key));
            assert_ne!(key, SourceKey::SELF);
        }
    }

    #[test]
    fn only_four_characters_of_the_alphabet_are_keys() {
        for bad in ["", "abc", "abcde", "abci", "ABCD", "ab.d", "abé"] {
            assert_eq!(bad.parse::<SourceKey>(), Err(SourceKeyError), "{bad}");
        }
        assert_eq!("self".parse(), Ok(SourceKey::SELF));
        assert_eq!("7k3m".parse::<SourceKey>().unwrap().to_string(), "7k3m");
    }
}
