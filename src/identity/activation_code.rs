use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::base::random::Random;
use crate::base::secret::Secret;

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Random symbols: 55 bits.
const RANDOM: usize = 11;
/// Symbols with the check symbol.
const LENGTH: usize = RANDOM + 1;
/// Symbols that staff and the help desk may see; 35 bits remain.
const HANDLE: usize = 4;

/// A code that a clinic hands over: 11 random symbols and one that checks them, written `XXXX-XXXX-XXXX`.
#[derive(Clone)]
pub struct ActivationCode(Secret<String>);

/// A text that is no code. Nothing is looked up for one, and no attempt is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivationCodeError {
    /// Symbols are missing, too many, or outside the alphabet.
    #[error("a code has 12 letters and digits")]
    Form,
    /// The last symbol does not check the others.
    #[error("the code was mistyped")]
    Mistyped,
}

impl ActivationCode {
    /// Mints one.
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        let mut symbols: Vec<u8> = random.bytes::<RANDOM>().iter().map(|byte| byte & 31).collect();
        symbols.push(check_symbol(&symbols));
        Self(Secret::new(symbols.iter().filter_map(|symbol| letter(*symbol)).collect()))
    }

    /// Reads what somebody typed or pasted: case, spaces, hyphens and dots do not matter, and what looks alike is alike
    /// (portal design, 2.2).
    ///
    /// # Errors
    /// [`ActivationCodeError`].
    pub fn parse(typed: &str) -> Result<Self, ActivationCodeError> {
        let mut symbols = Vec::with_capacity(LENGTH);
        // No code is longer than this however it is spaced.
        for c in typed.trim().nfkc().take(200) {
            if c.is_whitespace() || matches!(c, '-' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}') {
                continue;
            }
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let symbol = ALPHABET.iter().position(|known| char::from(*known) == c).ok_or(ActivationCodeError::Form)?;
            symbols.push(u8::try_from(symbol).map_err(|_| ActivationCodeError::Form)?);
        }
        let (last, random) = symbols.split_last().ok_or(ActivationCodeError::Form)?;
        if random.len() != RANDOM {
            return Err(ActivationCodeError::Form);
        }
        if check_symbol(random) != *last {
            return Err(ActivationCodeError::Mistyped);
        }
        Ok(Self(Secret::new(symbols.iter().filter_map(|symbol| letter(*symbol)).collect())))
    }

    /// The 12 symbols without hyphens: what is hashed.
    #[must_use]
    pub fn symbols(&self) -> &str {
        self.0.expose()
    }

    /// As it is printed, once.
    #[must_use]
    pub fn printed(&self) -> String {
        let symbols: Vec<char> = self.symbols().chars().collect();
        symbols.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    /// The first symbols, which name it at the help desk.
    #[must_use]
    pub fn handle(&self) -> String {
        self.symbols().chars().take(HANDLE).collect()
    }
}

impl fmt::Debug for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivationCode(…)")
    }
}

// Not where it decides anything: codes are compared by their hashes.
#[cfg(test)]
impl PartialEq for ActivationCode {
    fn eq(&self, other: &Self) -> bool {
        self.symbols() == other.symbols()
    }
}

fn letter(symbol: u8) -> Option<char> {
    ALPHABET.get(usize::from(symbol)).map(|c| char::from(*c))
}

/// A weighted sum in the field of 32 elements with a different weight for each place: every single wrong symbol and
/// every exchange of two symbols changes it.
fn check_symbol(symbols: &[u8]) -> u8 {
    let mut weight = 1;
    symbols.iter().fold(0, |sum, symbol| {
        weight = double(weight);
        sum ^ product(*symbol, weight)
    })
}

/// Times x modulo x^5 + x^2 + 1, which is primitive: the first 31 powers of x differ.
const fn double(a: u8) -> u8 {
    let doubled = a << 1;
    if doubled & 32 == 0 { doubled } else { (doubled ^ 0b10_0101) & 31 }
}

fn product(a: u8, b: u8) -> u8 {
    let (mut a, mut sum) = (a, 0);
    for bit in 0..5 {
        if b & (1 << bit) != 0 {
            sum ^= a;
        }
        a = double(a);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        let random = SeededRandom::new(1);
        for _ in 0..500 {
            let code = ActivationCode::mint(&random);
            let printed = code.printed();
            assert_eq!((printed.len(), printed.matches('-').count()), (14, 2));
            let alike = printed.replace('0', "o").replace('1', "l");
            for typed in [
                printed.clone(),
                printed.to_lowercase(),
                printed.replace('-', ""),
                printed.replace('-', " "),
                printed.replace('-', "\u{2011}").replace('\u{2011}', "\u{2013}"),
                format!("  {}\n", printed.replace('-', ".")),
                alike.clone(),
                alike.replace('l', "I"),
                // Full-width letters of a phone's keyboard.
                printed.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect(),
            ] {
                assert_eq!(ActivationCode::parse(&typed).as_ref(), Ok(&code), "{typed}");
            }
        }
    }

    /// Rule: one wrong symbol or two exchanged ones are a slip of the hand, and never another code.
    #[test]
    fn every_single_slip_is_seen() {
        let random = SeededRandom::new(2);
        for _ in 0..40 {
            let good: Vec<char> = ActivationCode::mint(&random).symbols().chars().collect();
            let mistyped = |symbols: &[char]| ActivationCode::parse(&symbols.iter().collect::<String>());
            for place in 0..LENGTH {
                for other in ALPHABET.iter().map(|c| char::from(*c)).filter(|c| *c != good[place]) {
                    let mut bad = good.clone();
                    bad[place] = other;
                    assert_eq!(mistyped(&bad), Err(ActivationCodeError::Mistyped), "{good:?} {bad:?}");
                }
                for with in place + 1..LENGTH {
                    let mut bad = good.clone();
                    bad.swap(place, with);
                    assert_eq!(mistyped(&bad).is_err(), bad != good, "{good:?} {bad:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for text in ["", "ABCD", "ABCD-EFGH-JKMNP", "ABCD-EFGH-JKU!", "ÄBCD-EFGH-JKMN", &"A".repeat(5_000)] {
            assert_eq!(ActivationCode::parse(text), Err(ActivationCodeError::Form), "{text}");
        }
    }
}
