//! Everything that is ever written to people. Notices about security cannot be switched off.

use askama::Template as _;

use super::words::{Day, InvitationCode, Link, Minutes, OneTimeCode, Site};
use crate::identity::Language;

/// What a template says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The subject of a mail: the same whatever it is about.
    pub subject: String,
    /// The text of a mail.
    pub mail: String,
    /// The text of a text message.
    pub text_message: String,
}

impl Text {
    /// The subject, a blank line, the text message, a blank line, and what a mail says after that.
    fn new(rendered: &str) -> Self {
        let (subject, mail) = rendered.split_once("\n\n").unwrap_or((rendered, ""));
        let text_message = mail.split("\n\n").next().unwrap_or_default();
        let text = |part: &str| part.trim().to_owned();
        Self { subject: text(subject), mail: format!("{}\n", mail.trim()), text_message: text(text_message) }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// One of the templates below.
pub trait Template: sealed::Sealed {
    /// Its name.
    const KIND: &'static str;

    /// What it says in a language.
    fn render(&self, language: Language, site: &Site) -> Text;
}

macro_rules! templates {
    ($($(#[$doc:meta])* $name:ident $kind:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }
       in $english:literal $spanish:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $name { $($(#[$field_doc])* pub $field: $type),* }

            impl sealed::Sealed for $name {}

            impl Template for $name {
                const KIND: &'static str = $kind;

                fn render(&self, language: Language, site: &Site) -> Text {
                    #[derive(askama::Template)]
                    #[template(path = $english, escape = "none")]
                    struct English<'t> { site: &'t Site, $($field: &'t $type),* }
                    #[derive(askama::Template)]
                    #[template(path = $spanish, escape = "none")]
                    struct Spanish<'t> { site: &'t Site, $($field: &'t $type),* }
                    let rendered = match language {
                        Language::English => English { site, $($field: &self.$field),* }.render(),
                        Language::Spanish => Spanish { site, $($field: &self.$field),* }.render(),
                    };
                    // Texts written into a text: it cannot fail.
                    Text::new(&rendered.unwrap_or_default())
                }
            }
        )+

        /// Every template, filled with samples, in a language: its name and text.
        #[cfg(test)]
        fn samples(language: Language, site: &Site) -> Vec<(&'static str, Text)> {
            vec![$(($kind, $name { $($field: <$type as tests::Sample>::sample(site)),* }.render(language, site))),+]
        }
    };
}

templates! {
    /// A practice invites somebody: the link leads to where the code is typed. No address ever has the code in it.
    Invitation "invitation" { link: Link, code: InvitationCode, until: Day } in "mail/en/invitation.txt" "mail/es/invitation.txt";
    /// A code that shows that somebody reads this mailbox or telephone.
    Code "code" { code: OneTimeCode, minutes: Minutes } in "mail/en/code.txt" "mail/es/code.txt";
    /// An invitation that had ended is good again.
    InvitationRenewed "invitation-renewed" { link: Link, code: InvitationCode, until: Day }
        in "mail/en/invitation_renewed.txt" "mail/es/invitation_renewed.txt";
    /// Somebody else tried to use a code, or used it.
    CodeUsed "code-used" { sign_in: Link } in "mail/en/code_used.txt" "mail/es/code_used.txt";
    /// A chart was linked.
    LinkMade "link-made" { sign_in: Link } in "mail/en/link_made.txt" "mail/es/link_made.txt";
    /// Who may see a record changed, or is to change.
    SharingChanged "sharing-changed" { sign_in: Link } in "mail/en/sharing_changed.txt" "mail/es/sharing_changed.txt";
    /// Who may see a record changes on a day, or something has to be looked at by then.
    SharingEnds "sharing-ends" { sign_in: Link, day: Day } in "mail/en/sharing_ends.txt" "mail/es/sharing_ends.txt";
    /// A chart is linked no more.
    LinkEnded "link-ended" { sign_in: Link } in "mail/en/link_ended.txt" "mail/es/link_ended.txt";
    /// Something about a practice changed: its name, its home, or that it is still there.
    OrganizationNotice "organization-notice" { sign_in: Link }
        in "mail/en/organization_notice.txt" "mail/es/organization_notice.txt";
    /// There is something new to read after signing in.
    News "news" { sign_in: Link } in "mail/en/news.txt" "mail/es/news.txt";
    /// A mailbox is to be shown to be read: by this link, or by the code.
    ConfirmContact "confirm-contact" { link: Link, code: OneTimeCode, until: Day }
        in "mail/en/confirm_contact.txt" "mail/es/confirm_contact.txt";
    /// To the old address: another one took its place.
    ContactChanged "contact-changed" { undo: Link, until: Day }
        in "mail/en/contact_changed.txt" "mail/es/contact_changed.txt";
    /// Somebody asked for a new account with an address that has one.
    AlreadyMember "already-member" { sign_in: Link, recover: Link }
        in "mail/en/already_member.txt" "mail/es/already_member.txt";
    /// The way back in.
    Recovery "recovery" { link: Link, minutes: Minutes } in "mail/en/recovery.txt" "mail/es/recovery.txt";
    /// Somebody got back in.
    Recovered "recovered" { sign_in: Link } in "mail/en/recovered.txt" "mail/es/recovered.txt";
    /// How somebody signs in was changed.
    SignInChanged "sign-in-changed" { sign_in: Link }
        in "mail/en/sign_in_changed.txt" "mail/es/sign_in_changed.txt";
    /// An account is closed.
    AccountClosed "account-closed" { about: Link }
        in "mail/en/account_closed.txt" "mail/es/account_closed.txt";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Instant;
    use crate::base::secret::Secret;
    use crate::identity::ActivationCode;

    /// A value of a type that templates take.
    pub(super) trait Sample {
        fn sample(site: &Site) -> Self;
    }

    impl Sample for Link {
        fn sample(site: &Site) -> Self {
            site.link_with("/here", &Secret::new("opaque-value_1xxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned()))
        }
    }

    impl Sample for OneTimeCode {
        fn sample(_: &Site) -> Self {
            OneTimeCode::six_digits(471_108_u64.to_be_bytes())
        }
    }

    impl Sample for InvitationCode {
        fn sample(_: &Site) -> Self {
            InvitationCode::new(&ActivationCode::mint(&crate::base::random::SeededRandom::new(7)))
        }
    }

    impl Sample for Minutes {
        fn sample(_: &Site) -> Self {
            Minutes(17)
        }
    }

    impl Sample for Day {
        fn sample(_: &Site) -> Self {
            Day(Instant::from_micros(1_795_305_600_000_000))
        }
    }

    fn site() -> Site {
        Site { name: "Records".to_owned(), url: "https://records.example".to_owned(), help: "+1 555 0100".to_owned() }
    }

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/mail");

    /// Rule: subject, text message of one SMS pair at most, and a text in each language; nothing is left in curly brackets.
    #[test]
    fn every_template_is_whole_in_every_language() {
        for language in Language::ALL {
            let mut kinds = Vec::new();
            for (kind, text) in samples(*language, &site()) {
                assert!(!text.subject.is_empty() && !text.subject.contains('\n'), "{kind}: {text:?}");
                assert!((20..=320).contains(&text.text_message.chars().count()), "{kind}: {text:?}");
                assert!(text.mail.starts_with(&text.text_message) && text.mail.contains("Records"), "{kind}: {text:?}");
                assert!(text.mail.contains("+1 555 0100"), "{kind} says where help is: {text:?}");
                assert!(!text.mail.contains(['{', '}']), "{kind}: {text:?}");
                assert!(text.mail.lines().all(|line| line.chars().count() <= 998), "RFC 5322 §2.1.1");
                kinds.push(format!("{}.txt", kind.replace('-', "_")));
            }
            kinds.push("foot.txt".to_owned());
            kinds.sort();
            let folder = std::fs::read_dir(format!("{FOLDER}/{}", language.as_str())).unwrap();
            let mut files: Vec<String> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            files.sort();
            assert_eq!(files, kinds, "{language:?}");
        }
        let texts = |language| samples(language, &site()).into_iter().map(|(_, text)| text.subject);
        assert!(texts(Language::English).zip(texts(Language::Spanish)).all(|(english, spanish)| english != spanish));
    }

    /// Rule: whatever a template takes is said, in each language.
    #[test]
    fn links_codes_and_times_are_said() {
        let (site, link) = (site(), "https://records.example/here?token=opaque-value_1xxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        for (language, day) in
            [(Language::English, "November 22, 2026"), (Language::Spanish, "22 de noviembre de 2026")]
        {
            for (kind, needed) in [
                ("invitation", vec![link, day]),
                ("code", vec!["471108", "17"]),
                ("invitation-renewed", vec![link, day]),
                ("confirm-contact", vec![link, "471108", day]),
                ("contact-changed", vec![link, day]),
                ("recovery", vec![link, "17"]),
                ("account-closed", vec![link]),
                ("link-made", vec![link]),
            ] {
                let all = samples(language, &site);
                let (_, text) = all.iter().find(|(name, _)| *name == kind).unwrap();
                for word in needed {
                    assert!(text.mail.contains(word), "{kind} {word}: {}", text.mail);
                }
            }
        }
    }

    /// What a careless caller could put into a mail: names, results, medicines, departments, sums, record numbers.
    const PHI: [&str; 10] = [
        "Fay Müller",
        "HIV 1+2 Ab positive",
        "LDL 131 mg/dL",
        "Zoloft 50 mg",
        "Riverside Oncology",
        "MRN-0047110815",
        "1984-03-01",
        "$ 120.00",
        "pregnancy test",
        "Dr. Osei, Psychiatry",
    ];

    /// Rule (security design I-24): no word of a record can be put into what is sent, by whatever field.
    #[test]
    fn i24_no_template_has_room_for_a_word_of_a_record() {
        let site = site();
        for phi in PHI {
            let link = site.link_with("/here", &Secret::new(phi.to_owned())).to_string();
            assert!(!link.contains(phi), "{link}");
            for language in Language::ALL {
                for (kind, text) in samples(*language, &site) {
                    let all = format!("{}\n{}\n{}", text.subject, text.mail, text.text_message).to_lowercase();
                    for word in phi.split_whitespace().filter(|word| word.chars().count() > 3) {
                        assert!(!all.contains(&word.to_lowercase()), "{kind}: {word}");
                    }
                }
            }
        }
    }

    /// Rule (portal design 4.3): no mail names results, visits, medicines, departments, sums or other people.
    #[test]
    fn i24_no_template_speaks_of_care() {
        let words = [
            "result",
            "test",
            "visit",
            "appointment",
            "doctor",
            "medic",
            "prescri",
            "diagnos",
            "bill",
            "payment",
            "child",
            "patient",
            "clinic",
            "department",
            "resultado",
            "prueba",
            "cita",
            "médic",
            "receta",
            "diagnós",
            "factura",
            "pago",
            "hijo",
            "hija",
            "paciente",
            "clínic",
        ];
        for language in Language::ALL {
            for (kind, text) in samples(*language, &site()) {
                let all = format!("{}\n{}", text.subject, text.mail).to_lowercase();
                for word in words {
                    assert!(!all.split(|c: char| !c.is_alphabetic()).any(|w| w.starts_with(word)), "{kind}: {word}");
                }
            }
        }
    }
}
