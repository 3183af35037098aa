//! What is queued is sent once, tried again as long as it is worth it, and forgotten.

use std::sync::Arc;
use std::time::Duration;

use chartgate::base::clock::TestClock;
use chartgate::base::id::MailId;
use chartgate::base::keys::MasterKey;
use chartgate::base::random::SystemRandom;
use chartgate::base::secret::Secret;
use chartgate::config::{Config, Limits, SmtpSecurity};
use chartgate::identity::{Contact, ContactKind, Language};
use chartgate::jobs::Delivery;
use chartgate::mail::{Carrier, Letter, Minutes, OneTimeCode, Outbox, template};
use chartgate::storage::mails::{self, MailState};
use chartgate::storage::{Db, StorageError};

use super::smtp::SmtpServer;
use crate::storage::sample::at;
use crate::support::database::{Database, on_both};
use crate::support::mail;
use crate::support::world::{self, World};

on_both!(
    a_mail_is_sent_once_and_forgotten,
    a_server_that_cannot_is_asked_again_and_one_that_will_not_is_not,
    what_is_too_late_is_dropped,
    several_processes_send_each_mail_once,
);

struct Post {
    clock: Arc<TestClock>,
    outbox: Outbox,
    delivery: Delivery,
    config: Config,
}

fn post(database: &Database, change: impl FnOnce(&mut Config)) -> Post {
    let clock = Arc::new(TestClock::at(at(0)));
    let mut config = Config::default();
    config.server.public_url = "https://records.example".to_owned();
    config.mail.from = "records@records.example".to_owned();
    change(&mut config);
    let random = Arc::new(SystemRandom::default());
    let outbox = Outbox::new(&config, &MasterKey::new([3; 32]), clock.clone(), random);
    let carrier = Carrier::new(&config.mail, &config.server.public_url).unwrap();
    let delivery = Delivery::new(database.db.clone(), outbox.clone(), carrier, clock.clone());
    Post { clock, outbox, delivery, config }
}

fn code() -> template::Code {
    template::Code { code: OneTimeCode::six_digits(471_108_u64.to_be_bytes()), minutes: Minutes(10) }
}

impl Post {
    fn letter(&self, language: Language) -> Letter {
        self.outbox.letter(&Contact::email("Fay@example.org").unwrap(), language, &code())
    }

    fn folder(&self) -> Vec<mail::Mail> {
        mail::read(self.config.mail.outbox_dir.as_ref().unwrap())
    }
}

async fn queue(db: &Db, letter: Letter) -> MailId {
    let id = letter.id();
    db.write::<_, StorageError>(move |tx| Box::pin(letter.queue(tx))).await.unwrap();
    id
}

async fn a_mail_is_sent_once_and_forgotten(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let post = post(&database, |config| config.mail.outbox_dir = Some(folder.path().join("out")));
    let db = &database.db;
    let id = queue(db, post.letter(Language::Spanish)).await;
    let phone = Contact::phone("+1 555 0100 200").unwrap();
    let later = post.outbox.letter(&phone, Language::English, &code()).not_before(at(60_000_000));
    let later = queue(db, later).await;
    assert_eq!(mails::state(db, id).await.unwrap(), Some(MailState::Queued));
    if database.is_sqlite() {
        let bytes = std::fs::read(format!("{}-wal", database.file().display())).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"471108"), "codes and addresses lie sealed");
    }

    assert_eq!(post.delivery.run_once().await.unwrap(), 1);
    assert_eq!(post.delivery.run_once().await.unwrap(), 0);
    assert_eq!(mails::state(db, id).await.unwrap(), Some(MailState::Sent));
    let [mail] = post.folder().try_into().unwrap();
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("Fay@example.org", "Su código"));
    assert!(
        mail.text.starts_with("Su código para Chartgate es 471108. Es válido durante 10 minutos."),
        "{}",
        mail.text
    );

    post.clock.advance(Duration::from_secs(60));
    assert_eq!(post.delivery.run_once().await.unwrap(), 1);
    assert_eq!(mails::state(db, later).await.unwrap(), Some(MailState::Sent));
    let message = post.folder().into_iter().find(|mail| mail.to == "+15550100200").unwrap();
    assert!(message.text.contains("471108") && message.text.lines().count() == 1, "{message:?}");

    post.clock.advance(Duration::from_secs(3_600));
    let end = at(3_600_000_000);
    let deleted = db.write::<_, StorageError>(move |tx| Box::pin(mails::delete_ended(tx, end, 10)));
    assert_eq!(deleted.await.unwrap(), 2);
    assert_eq!(mails::state(db, id).await.unwrap(), None);
}

async fn a_server_that_cannot_is_asked_again_and_one_that_will_not_is_not(database: Database) {
    let server = SmtpServer::start().await;
    let post = post(&database, |config| {
        config.mail.smtp_host = Some("127.0.0.1".to_owned());
        config.mail.smtp_port = Some(server.address.port());
        config.mail.smtp_security = SmtpSecurity::None;
    });
    let db = &database.db;
    server.answers("451 later");
    let id = queue(db, post.letter(Language::English)).await;
    assert_eq!(post.delivery.run_once().await.unwrap(), 0);
    post.clock.advance(Duration::from_secs(29));
    server.answers("250 ok");
    assert_eq!(post.delivery.run_once().await.unwrap(), 0, "not yet");
    assert_eq!(mails::state(db, id).await.unwrap(), Some(MailState::Queued));
    post.clock.advance(Duration::from_secs(1));
    assert_eq!(post.delivery.run_once().await.unwrap(), 1);
    let [raw] = server.taken().try_into().unwrap();
    assert!(raw.contains(&format!("Message-ID: <{id}@records.example>")), "{raw}");
    assert!(raw.contains("Auto-Submitted: auto-generated"), "{raw}");
    let mail = mail::parse(&raw);
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str(), mail.code().as_str()),
        ("Fay@example.org", "Your code", "471108")
    );

    server.answers("550 no such mailbox");
    let refused = queue(db, post.letter(Language::English)).await;
    assert_eq!(post.delivery.run_once().await.unwrap(), 0);
    assert_eq!(mails::state(db, refused).await.unwrap(), Some(MailState::Bounced));
    assert_eq!(server.taken().len(), 1);
    assert!(!post.outbox.reaches(ContactKind::Phone), "no way for text messages");
}

async fn what_is_too_late_is_dropped(database: Database) {
    let post = post(&database, |_| {});
    let db = &database.db;
    let id = queue(db, post.letter(Language::English).good_for(Duration::from_secs(600))).await;
    for _ in 0..20 {
        assert_eq!(post.delivery.run_once().await.unwrap(), 0, "there is no way out");
        post.clock.advance(Duration::from_secs(29));
        assert_eq!(mails::state(db, id).await.unwrap(), Some(MailState::Queued));
    }
    post.clock.advance(Duration::from_secs(600));
    assert_eq!(post.delivery.run_once().await.unwrap(), 0);
    assert_eq!(mails::state(db, id).await.unwrap(), Some(MailState::Dropped));
}

async fn several_processes_send_each_mail_once(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let post = post(&database, |config| config.mail.outbox_dir = Some(folder.path().to_owned()));
    for _ in 0..20 {
        queue(&database.db, post.letter(Language::English)).await;
    }
    let mut deliveries = Vec::new();
    for _ in 0..4 {
        let carrier = Carrier::new(&post.config.mail, "").unwrap();
        deliveries.push(Delivery::new(database.second().await, post.outbox.clone(), carrier, post.clock.clone()));
    }
    let sent: Vec<usize> =
        futures_util::future::join_all(deliveries.iter().map(|delivery| async { delivery.run_once().await.unwrap() }))
            .await;
    assert_eq!(sent.iter().sum::<usize>(), 20, "{sent:?}");
    assert_eq!(post.folder().len(), 20);
    // Nobody reads a mail that was sealed with another key.
    let other =
        Outbox::new(&post.config, &MasterKey::new([4; 32]), post.clock.clone(), Arc::new(SystemRandom::default()));
    let id =
        queue(&database.db, other.letter(&Contact::email("a@b.example").unwrap(), Language::English, &code())).await;
    assert_eq!(post.delivery.run_once().await.unwrap(), 0);
    assert_eq!(mails::state(&database.db, id).await.unwrap(), Some(MailState::Bounced));
}

#[test]
fn the_product_sends_what_is_queued() {
    world::run(async {
        let world = World::start(Vec::new(), Vec::new(), Limits::default()).await;
        let token = Secret::new("opaque-value_1xxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned());
        let letter = template::Recovery { link: world.app.outbox.link_with("/recover", &token), minutes: Minutes(30) };
        let to = Contact::email("fay@example.org").unwrap();
        queue(&world.app.db, world.app.outbox.letter(&to, Language::English, &letter)).await;
        let [mail] = world.mails().await.try_into().unwrap();
        assert_eq!(mail.token(&format!("{}/recover", world.issuer)), "opaque-value_1xxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    });
}
