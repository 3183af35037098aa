//! What a new password must be (NIST SP 800-63B-4 §3.1.1.2): long, and none of those that everybody tries first. No rules
//! about kinds of characters, and no end.

use unicode_normalization::UnicodeNormalization as _;

/// Characters of a password that is the only factor.
const LEAST: usize = 15;
/// What is left of a password without its common parts must be more than this.
const LEAST_OWN: usize = 4;
/// Characters in a row, on the keyboard or in the alphabet, that count as one common part.
const SHORTEST_RUN: usize = 3;

/// What people choose first, folded. A password that is made of them alone is as common as they are.
const COMMON: &[&str] = &[
    "abcabc",
    "access",
    "account",
    "admin",
    "administrator",
    "andrew",
    "angel",
    "apple",
    "april",
    "ashley",
    "august",
    "autumn",
    "baby",
    "bailey",
    "baseball",
    "basketball",
    "batman",
    "buster",
    "butterfly",
    "changeme",
    "charlie",
    "chartgate",
    "chart",
    "cheese",
    "chocolate",
    "clinic",
    "computer",
    "correcthorsebatterystaple",
    "daniel",
    "december",
    "default",
    "doctor",
    "dragon",
    "facebook",
    "family",
    "february",
    "flower",
    "football",
    "freedom",
    "friday",
    "gateway",
    "george",
    "google",
    "guest",
    "harley",
    "health",
    "healthrecord",
    "hello",
    "hockey",
    "hospital",
    "hottie",
    "hunter",
    "iloveyou",
    "internet",
    "january",
    "jennifer",
    "jessica",
    "jordan",
    "joshua",
    "july",
    "june",
    "killer",
    "letmein",
    "liverpool",
    "login",
    "love",
    "loveme",
    "maggie",
    "march",
    "master",
    "matrix",
    "matthew",
    "medical",
    "michael",
    "michelle",
    "monday",
    "monkey",
    "mustang",
    "mychart",
    "myhealth",
    "mypassword",
    "naruto",
    "nicole",
    "ninja",
    "november",
    "october",
    "online",
    "orange",
    "passphrase",
    "passw0rd",
    "password",
    "passwort",
    "patient",
    "pepper",
    "pokemon",
    "portal",
    "princess",
    "purple",
    "qwerty",
    "qwertz",
    "azerty",
    "ranger",
    "record",
    "robert",
    "samsung",
    "saturday",
    "secret",
    "security",
    "september",
    "shadow",
    "soccer",
    "sophie",
    "spring",
    "starwars",
    "summer",
    "sunday",
    "sunshine",
    "superman",
    "system",
    "taylor",
    "temp",
    "test",
    "thehunt",
    "this",
    "thomas",
    "thunder",
    "thursday",
    "tigger",
    "trustno1",
    "tuesday",
    "user",
    "wednesday",
    "welcome",
    "whatever",
    "winter",
    "yankees",
    "ismy",
    "isthe",
    "the",
    "my",
];

/// Rows of keyboards, and the orders everybody knows.
const ORDERS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
];

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Too few characters.
    #[error("it must have at least {LEAST} characters: a few words are good")]
    Short,
    /// One of those that are tried first.
    #[error("it is made of words, rows or repetitions that are tried first: choose another one")]
    Common,
    /// The username, and little else.
    #[error("it is made of the username: choose another one")]
    Name,
}

/// The form in which a password is hashed: the same text is the same password on every keyboard.
#[must_use]
pub fn normal_password(text: &str) -> String {
    text.nfkc().collect()
}

/// Whether `password` may be chosen by whoever signs in as `username`.
///
/// # Errors
/// [`PasswordProblem`], to be told to who chooses.
pub fn check_password(password: &str, username: &str) -> Result<(), PasswordProblem> {
    let normal = normal_password(password);
    if normal.chars().count() < LEAST {
        return Err(PasswordProblem::Short);
    }
    let folded = folded(&normal);
    if folded.is_empty() || repeats(&folded) || own_part(&folded, &[]) <= LEAST_OWN {
        return Err(PasswordProblem::Common);
    }
    let parts = username.split(|c: char| !c.is_alphanumeric()).chain([username]).map(self::folded);
    let names: Vec<Vec<char>> = parts.filter(|part| part.len() >= SHORTEST_RUN).collect();
    if own_part(&folded, &names) <= LEAST_OWN {
        return Err(PasswordProblem::Name);
    }
    Ok(())
}

/// Letters and digits in lower case: what somebody who guesses varies last.
fn folded(text: &str) -> Vec<char> {
    let lower = text.nfkc().flat_map(char::to_lowercase);
    let kept: Vec<char> = lower.clone().filter(|c| c.is_alphanumeric()).collect();
    // A password of signs alone is judged as it stands.
    if kept.is_empty() { lower.collect() } else { kept }
}

/// Whether it is one short piece over and over.
fn repeats(text: &[char]) -> bool {
    (1..=text.len() / 3).any(|period| text.iter().zip(text.iter().skip(period)).all(|(a, b)| a == b))
}

/// How many characters are part of no common word, no run, and none of the names.
fn own_part(text: &[char], names: &[Vec<char>]) -> usize {
    let mut rest = text;
    let mut own = 0_usize;
    while !rest.is_empty() {
        let common = common_start(rest, names);
        if common == 0 {
            own = own.saturating_add(1);
        }
        rest = rest.get(common.max(1)..).unwrap_or_default();
    }
    own
}

/// The length of the longest common part that `text` begins with.
fn common_start(text: &[char], names: &[Vec<char>]) -> usize {
    let begins = |word: &&&str| word.chars().zip(text).filter(|(a, b)| a == *b).count() == word.chars().count();
    let word = COMMON.iter().filter(begins).map(|word| word.chars().count()).max().unwrap_or(0);
    let named = names.iter().filter(|name| text.starts_with(name)).map(Vec::len).max().unwrap_or(0);
    word.max(named).max(run(text))
}

/// The length of the run that `text` begins with: one character again and again, or a known order either way.
fn run(text: &[char]) -> usize {
    let Some(first) = text.first() else { return 0 };
    let same = text.iter().take_while(|c| *c == first).count();
    let ordered = ORDERS.iter().flat_map(|order| {
        let (ahead, back): (Vec<char>, Vec<char>) = (order.chars().collect(), order.chars().rev().collect());
        [along(&ahead, text), along(&back, text)]
    });
    let longest = ordered.max().unwrap_or(0).max(same);
    if longest >= SHORTEST_RUN { longest } else { 0 }
}

/// How far `text` follows `order` from where its first character stands in it.
fn along(order: &[char], text: &[char]) -> usize {
    let starts = order.iter().enumerate().filter(|(_, c)| text.first() == Some(c)).map(|(at, _)| at);
    let follow = |at: usize| order.iter().skip(at).zip(text).take_while(|(a, b)| a == b).count();
    starts.map(follow).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_not_one_that_is_tried_first() {
        use PasswordProblem::{Common, Name, Short};
        for (password, verdict) in [
            ("correct horse battery", Ok(())),
            ("Tröpfchenweise, bei Regen", Ok(())),
            ("\u{1f6b2}\u{1f6b2}\u{1f33b} dahlia coffee", Ok(())),
            ("4917 8203 5566 1", Ok(())),
            ("0q3mzx84k7c1n5tw", Ok(())),
            ("!-)(/&%$=?*#+~,.", Ok(())),
            ("summer rain on tin roofs", Ok(())),
            ("maria's blue canoe trip", Ok(())),
            ("", Err(Short)),
            ("14 characters!", Err(Short)),
            // Each of these is one character, whatever its length in bytes.
            (&"\u{1f600}".repeat(14), Err(Short)),
            (&"\u{1f600}".repeat(15), Err(Common)),
            ("aaaaaaaaaaaaaaaa", Err(Common)),
            ("abcabcabcabcabcabc", Err(Common)),
            ("mountain mountain mountain", Err(Common)),
            ("1234567890123456", Err(Common)),
            ("9876543210987654", Err(Common)),
            ("qwertyuiopasdfghjkl", Err(Common)),
            ("Qwertz-Uiop-Asdfgh", Err(Common)),
            ("Password12345678", Err(Common)),
            ("PASSWORDpassword!", Err(Common)),
            ("password-password-1", Err(Common)),
            ("letmein letmein now", Err(Common)),
            ("Welcome to MyChart", Err(Common)),
            ("chartgatechartgate", Err(Common)),
            ("correct horse battery staple", Err(Common)),
            ("\u{ff30}\u{ff21}\u{ff33}\u{ff33}word12345678", Err(Common)),
            ("---------------", Err(Common)),
            ("maria.alvarez1984", Err(Name)),
            ("Maria Alvarez Maria", Err(Name)),
            ("mariaalvarezpassword", Err(Name)),
        ] {
            assert_eq!(check_password(password, "maria.alvarez"), verdict, "{password}");
        }
    }

    #[test]
    fn one_text_is_one_password_on_every_keyboard() {
        assert_eq!(normal_password("Caf\u{e9} \u{fb01}n"), normal_password("Cafe\u{301} fin"));
        assert_ne!(normal_password("Caf\u{e9}"), normal_password("caf\u{e9}"));
    }
}
