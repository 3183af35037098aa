//! The two ways out: an SMTP server, and a folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::io::AsyncWriteExt as _;

use crate::base::clock::Instant;
use crate::base::id::MailId;
use crate::config::{self, SmtpSecurity};
use crate::identity::ContactKind;

/// A server that takes longer is tried again later.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something ready to be carried.
#[derive(Clone)]
pub struct Parcel {
    /// Its id.
    pub id: MailId,
    /// By e-mail or text message.
    pub channel: ContactKind,
    /// When it was written.
    pub written: Instant,
    /// The sender's address.
    pub from: String,
    /// The sender's name.
    pub from_name: String,
    /// The recipient.
    pub to: String,
    /// Nothing for a text message.
    pub subject: String,
    /// What it says.
    pub text: String,
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel").field("id", &self.id).field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// Why something was not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It never will be: the server refuses it, or it is addressed to nobody.
    #[error("refused for good")]
    ForGood,
    /// The server, or the disk, may take it later.
    #[error("not taken at the moment")]
    ForNow,
}

/// What of the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("mail.{setting}: {reason}")]
pub struct CarrierError {
    setting: &'static str,
    reason: String,
}

/// The way out.
pub struct Carrier {
    folder: Option<PathBuf>,
    smtp: Option<AsyncSmtpTransport<Tokio1Executor>>,
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").field("folder", &self.folder).field("smtp", &self.smtp.is_some()).finish()
    }
}

impl Carrier {
    /// The way that the configuration names. Makes the folder.
    ///
    /// # Errors
    /// [`CarrierError`] for a file that cannot be read and a folder that cannot be made.
    pub fn new(config: &config::Mail, public_url: &str) -> Result<Self, CarrierError> {
        if let Some(folder) = &config.outbox_dir {
            let refused = |error: std::io::Error| CarrierError { setting: "outbox_dir", reason: error.to_string() };
            std::fs::create_dir_all(folder).map_err(refused)?;
        }
        let smtp = config.smtp_host.as_deref().map(|host| transport(config, host, public_url)).transpose()?;
        Ok(Self { folder: config.outbox_dir.clone(), smtp })
    }

    /// Whether anything can go out at all.
    #[must_use]
    pub const fn carries(&self) -> bool {
        self.folder.is_some() || self.smtp.is_some()
    }

    /// Carries it: afterwards the next server or the folder has it.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn carry(&self, parcel: &Parcel) -> Result<(), Failed> {
        let is_mail = parcel.channel == ContactKind::Email;
        let (suffix, bytes) = if is_mail {
            let message = message(parcel).ok_or(Failed::ForGood)?;
            if let Some(smtp) = &self.smtp {
                return by_smtp(smtp, message).await;
            }
            ("eml", message.formatted())
        } else {
            ("sms", format!("{}\n\n{}\n", parcel.to, parcel.text).into_bytes())
        };
        let folder = self.folder.as_deref().ok_or(Failed::ForGood)?;
        let name = format!("{}-{}.{suffix}", parcel.written.micros(), parcel.id);
        into_folder(folder, &name, &bytes).await.map_err(|error| {
            tracing::error!(%error, "a mail cannot be put into mail.outbox_dir");
            Failed::ForNow
        })
    }
}

async fn by_smtp(smtp: &AsyncSmtpTransport<Tokio1Executor>, message: Message) -> Result<(), Failed> {
    match smtp.send(message).await {
        Ok(_) => Ok(()),
        // The server's words may repeat the address: its code alone is logged.
        Err(error) => {
            let status = error.status().map(|code| code.to_string());
            tracing::warn!(status, permanent = error.is_permanent(), "the SMTP server did not take a mail");
            Err(if error.is_permanent() { Failed::ForGood } else { Failed::ForNow })
        }
    }
}

/// Written under another name first: whoever looks into the folder finds whole mails only.
async fn into_folder(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = folder.join(format!(".{name}"));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&unfinished).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(&unfinished, folder.join(name)).await
}

fn message(parcel: &Parcel) -> Option<Message> {
    let from: Address = parcel.from.parse().ok()?;
    let to: Address = parcel.to.parse().ok()?;
    let domain = from.domain().to_owned();
    let micros = u64::try_from(parcel.written.micros()).unwrap_or(0);
    Message::builder()
        .from(Mailbox::new(Some(parcel.from_name.clone()), from))
        .to(Mailbox::new(None, to))
        .subject(parcel.subject.clone())
        .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
        // The same each time it is tried: a mail that arrives twice is seen to be one.
        .message_id(Some(format!("<{}@{domain}>", parcel.id)))
        // RFC 3834 §5: nobody's absence is to be answered to us.
        .raw_header(auto_submitted())
        .header(ContentType::TEXT_PLAIN)
        .body(parcel.text.clone())
        .ok()
}

fn auto_submitted() -> lettre::message::header::HeaderValue {
    let name = lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted");
    lettre::message::header::HeaderValue::new(name, "auto-generated".to_owned())
}

fn transport(
    config: &config::Mail,
    host: &str,
    public_url: &str,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, CarrierError> {
    let tls = match config.smtp_security {
        SmtpSecurity::None => Tls::None,
        SmtpSecurity::Starttls => Tls::Required(tls_parameters(config, host)?),
        SmtpSecurity::Implicit => Tls::Wrapper(tls_parameters(config, host)?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(config.port())
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let Some(name) = url::Url::parse(public_url).ok().and_then(|url| url.domain().map(str::to_owned)) {
        builder = builder.hello_name(ClientId::Domain(name));
    }
    if let (Some(name), Some(path)) = (&config.smtp_username, &config.smtp_password_file) {
        let text = read("smtp_password_file", path)?;
        let password = text.lines().next().unwrap_or_default().to_owned();
        builder = builder.credentials(Credentials::new(name.clone(), password));
    }
    Ok(builder.build())
}

fn tls_parameters(config: &config::Mail, host: &str) -> Result<TlsParameters, CarrierError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &config.smtp_ca_file {
        let text = read("smtp_ca_file", path)?;
        let refused = || CarrierError { setting: "smtp_ca_file", reason: "holds no certificate".to_owned() };
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(Certificate::from_pem(text.as_bytes()).map_err(|_| refused())?);
    }
    builder.build().map_err(|error| CarrierError { setting: "smtp_host", reason: error.to_string() })
}

fn read(setting: &'static str, path: &Path) -> Result<String, CarrierError> {
    std::fs::read_to_string(path)
        .map_err(|error| CarrierError { setting, reason: format!("{}: {error}", path.display()) })
}
