use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// E-mail: by SMTP, or into a folder. With neither, nothing is sent.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// The address that mail comes from.
    pub from: String,
    /// Where people who need help can write or call, as they read it under each mail.
    pub help: String,
    /// A folder that each mail is put into as an `.eml` file, where no SMTP server is named; text messages always go there.
    pub outbox_dir: Option<PathBuf>,
    /// The SMTP server that takes mail.
    pub smtp_host: Option<String>,
    /// Its port; left out: 465, or 587 with `starttls`, or 25 with `none`.
    pub smtp_port: Option<u16>,
    /// How the connection to it is protected.
    pub smtp_security: SmtpSecurity,
    /// The name to sign in there.
    pub smtp_username: Option<String>,
    /// The file with the password, on its first line.
    pub smtp_password_file: Option<PathBuf>,
    /// The file (PEM) with the certificate authorities that alone are trusted for it.
    pub smtp_ca_file: Option<PathBuf>,
}

/// How a connection to an SMTP server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// TLS from the first byte (RFC 8314 §3.3).
    #[default]
    Implicit,
    /// TLS after STARTTLS, or not at all.
    Starttls,
    /// Not at all: for a relay on this machine.
    None,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            from: String::new(),
            help: String::new(),
            outbox_dir: None,
            smtp_host: None,
            smtp_port: None,
            smtp_security: SmtpSecurity::Implicit,
            smtp_username: None,
            smtp_password_file: None,
            smtp_ca_file: None,
        }
    }
}

impl Mail {
    /// The port of the SMTP server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.smtp_port.unwrap_or(match self.smtp_security {
            SmtpSecurity::Implicit => 465,
            SmtpSecurity::Starttls => 587,
            SmtpSecurity::None => 25,
        })
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let refused = |setting: &str, reason: &str| Err(ConfigError::refused(format!("mail.{setting}"), reason));
        let sends = self.smtp_host.is_some() || self.outbox_dir.is_some();
        if sends && !self.from.contains('@') {
            return refused("from", "must be an e-mail address, such as records@example.org");
        }
        if self.help.len() > 200 || self.help.contains(char::is_control) {
            return refused("help", "must be one line of at most 200 bytes");
        }
        let is_here = matches!(self.smtp_host.as_deref(), None | Some("localhost" | "127.0.0.1" | "::1"));
        if self.smtp_security == SmtpSecurity::None && !is_here {
            return refused("smtp_security", "none is for a server on this machine: mail would go in the clear");
        }
        if self.smtp_username.is_some() != self.smtp_password_file.is_some() {
            return refused("smtp_password_file", "goes together with mail.smtp_username");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_in_the_clear_stays_on_the_machine() {
        let good = Mail { from: "a@b.example".to_owned(), smtp_host: Some("localhost".to_owned()), ..Mail::default() };
        for (mail, setting) in [
            (good.clone(), None),
            (Mail { smtp_security: SmtpSecurity::None, ..good.clone() }, None),
            (
                Mail { smtp_security: SmtpSecurity::None, smtp_host: Some("mail.example".to_owned()), ..good.clone() },
                Some("mail.smtp_security"),
            ),
            (Mail { from: String::new(), ..good.clone() }, Some("mail.from")),
            (Mail { help: "a\nb".to_owned(), ..good.clone() }, Some("mail.help")),
            (Mail { smtp_username: Some("u".to_owned()), ..good }, Some("mail.smtp_password_file")),
            (Mail::default(), None),
        ] {
            let error = mail.validate().err().map(|error| error.to_string());
            assert_eq!(error.as_deref().and_then(|text| text.split(':').next()), setting);
        }
    }
}
