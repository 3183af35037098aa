//! Known and unknown are answered alike at sign-in, at recovery and where codes are typed: the same bytes, the same
//! statements at the database, the same runs of the password hash (I11). What is counted is the whole process's, so the
//! counting runs in a process of its own, which `scripts/prove accounts` also has write down how long answers take.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use chartgate::accounts::Accounts;
use chartgate::base::clock::Clock;
use chartgate::base::random::SeededRandom;
use chartgate::base::secret::Secret;
use chartgate::identity::{ActivationCode, Username};
use chartgate::practice::{self, NewAccount};
use chartgate::storage::{StorageError, accounts};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::linking;
use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{World, run};

const SAMPLER: &str = "security::indistinguishable::proof_sampler";
const PAIRS: &str = "CHARTGATE_PROOF_PAIRS";
/// Wrong passwords for one account: at fifty it would be another case.
const TRIES_OF_ACCOUNT: usize = 40;
/// Answers of a kind that are compared. What a task that comes back several times a second does falls into a fifth of them,
/// and must not fall into all.
const SAMPLES: usize = 7;
/// Pairs for which a code is asked about: at five wrong answers it is locked.
const TRIES_OF_CODE: usize = 3;

/// The statements that were sent to the database, in the words of the driver.
static STATEMENTS: LazyLock<Mutex<BTreeMap<String, u32>>> = LazyLock::new(Mutex::default);

struct Statements;

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut summary = Summary::default();
        event.record(&mut summary);
        *STATEMENTS.lock().unwrap().entry(summary.0).or_default() += 1;
    }
}

#[derive(Default)]
struct Summary(String);

impl Visit for Summary {
    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "summary" | "db.statement") {
            let _ = write!(self.0, "{} ", value.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// What one answer cost, as far as it can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cost {
    statements: BTreeMap<String, u32>,
    hash_runs: u64,
}

/// An answer, what it cost, and what an observer sees of it.
struct Sample {
    cost: Cost,
    micros: u128,
    answer: Answer,
}

async fn sample(world: &World, ask: impl AsyncFnOnce() -> Answer) -> Sample {
    STATEMENTS.lock().unwrap().clear();
    let before = Accounts::password_runs(&world.app.accounts);
    let began = Instant::now();
    let answer = ask().await;
    let micros = began.elapsed().as_micros();
    let statements = std::mem::take(&mut *STATEMENTS.lock().unwrap());
    Sample { cost: Cost { statements, hash_runs: world.app.accounts.password_runs() - before }, micros, answer }
}

/// What the answers have in common that were given the same question: what other tasks did beside one of them is gone.
fn common(samples: &[Sample]) -> Cost {
    let mut common = samples[0].cost.clone();
    for sample in samples {
        assert_eq!(sample.cost.hash_runs, common.hash_runs);
        common.statements = common
            .statements
            .into_iter()
            .map(|(text, count)| {
                let there = sample.cost.statements.get(&text).copied().unwrap_or_default();
                (text, count.min(there))
            })
            .filter(|(_, count)| *count > 0)
            .collect();
    }
    common
}

/// A page's form, filled in and sent; what is measured is the answer to it.
async fn posted(world: &World, browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Sample {
    let page = browser.get(path).await;
    let mut form = page.form_to(path);
    for (name, value) in fields {
        form.retain(|(known, _)| known != name);
        form.push(((*name).to_owned(), (*value).to_owned()));
    }
    sample(world, async || browser.post(path, &form).await).await
}

/// A browser that was never here.
fn browser(world: &World) -> Browser {
    let mut browser = world.stranger();
    browser.cookies.insert("chartgate-browser".to_owned(), "x".repeat(43));
    browser
}

/// The people and codes that are known.
struct Known {
    world: World,
    accounts: Vec<String>,
    /// A code that nobody has, and one that was handed out.
    codes: [String; 2],
    pair: usize,
}

impl Known {
    async fn new(accounts: usize) -> Self {
        let world = linking::world().await;
        let random = SeededRandom::new(77);
        let mut known = Self { world, accounts: Vec::new(), codes: Default::default(), pair: 0 };
        for number in 0..accounts {
            let username = format!("known-{number:04}");
            let password = Secret::new("correct horse battery".to_owned());
            let new = NewAccount { username: &username, password: &password, person: None };
            let app = &known.world.app;
            practice::account(&app.acts, &app.accounts, &random, known.world.clock.now(), new).await.unwrap();
            known.accounts.push(username);
        }
        known
    }

    /// Lets the waits of those who tried before pass, and does what a job would do beside the next answer.
    async fn rest(&self) {
        self.world.clock.advance(Duration::from_secs(3_601));
        self.world.app.accounts.answer_recovery_requests().await.unwrap();
    }

    /// Everything that has to be done before a pair is asked, so that none of it shows in one half alone.
    async fn prepare(&mut self, number: usize) {
        self.rest().await;
        self.pair = number;
        if number.is_multiple_of(TRIES_OF_CODE) {
            self.world.clock.advance(Duration::from_secs(86_400));
            let unknown = ActivationCode::mint(&SeededRandom::new(number as u64 + 1_000)).printed();
            self.codes = [unknown, linking::own_code(&self.world, "MRN-994045").await];
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// A name that is tried as often whether somebody has it or not.
    fn name(&self, known: bool) -> String {
        let number = self.pair / TRIES_OF_ACCOUNT % self.accounts.len();
        if known { self.accounts[number].clone() } else { format!("other-{number:04}") }
    }

    async fn ask(&self, surface: &str, known: bool) -> Sample {
        self.world.clock.advance(Duration::from_secs(3_601));
        let mut browser = browser(&self.world);
        match surface {
            "sign-in" => {
                let name = self.name(known);
                posted(&self.world, &mut browser, "/sign-in", &[("username", &name), ("password", "wrong")]).await
            }
            "recovery" => {
                let name = self.name(known);
                posted(&self.world, &mut browser, "/recover", &[("name", &name)]).await
            }
            "code" => {
                let code = self.codes[usize::from(known)].clone();
                let fields = [("code", code.as_str()), ("birth_date", "1970-01-01"), ("family", "Nobody")];
                posted(&self.world, &mut browser, "/invite", &fields).await
            }
            other => panic!("{other}"),
        }
    }
}

/// Disables an account by wrong passwords, or closes it.
async fn end(world: &World, name: &str, closed: bool) {
    let username = Username::new(name).unwrap();
    let account = accounts::by_username(&world.app.db, &username).await.unwrap().unwrap().id;
    let now = world.clock.now();
    let write = world.app.db.write::<_, StorageError>(move |tx| {
        Box::pin(async move {
            if closed {
                return accounts::close(tx, account, now).await;
            }
            for _ in 0..50 {
                accounts::count_failure(&mut *tx, account, true, now).await?;
            }
            Ok(())
        })
    });
    write.await.unwrap();
}

/// What a person sees, without what they typed and what is made anew for each page.
fn seen(answer: &Answer) -> (u16, String) {
    let mut body = answer.body.clone();
    for input in answer.inputs() {
        if let Some(value) = input.get("value").filter(|value| !value.is_empty()) {
            body = body.replace(&format!("value=\"{value}\""), "value=\"\"");
        }
    }
    (answer.status, body)
}

#[test]
#[ignore = "a process of the proof: it counts everything that its process does"]
fn proof_sampler() {
    let pairs: usize = std::env::var(PAIRS).map_or(SAMPLES, |pairs| pairs.parse().unwrap());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Statements)).unwrap();
    run(async {
        let mut known = Known::new(pairs / TRIES_OF_ACCOUNT + 2).await;
        for surface in ["sign-in", "recovery", "code"] {
            let mut asked = [Vec::new(), Vec::new()];
            for number in 0..pairs {
                // Which comes first must tell nothing: each does in half of any stretch of pairs, by no rhythm.
                let first = number.count_ones().is_multiple_of(2);
                known.prepare(number).await;
                for is_known in [first, !first] {
                    let sample = known.ask(surface, is_known).await;
                    let (status, bytes) = (sample.answer.status, sample.answer.body.len());
                    println!("\nsample {surface} {number} {is_known} {} {status} {bytes}", sample.micros);
                    if asked[usize::from(is_known)].len() < SAMPLES {
                        asked[usize::from(is_known)].push(sample);
                    }
                }
            }
            let [unknown, knew] = &asked;
            assert_eq!(common(unknown), common(knew), "{surface}");
            assert_eq!(seen(&unknown[0].answer), seen(&knew[0].answer), "{surface}");
            assert!(!common(knew).statements.is_empty(), "{surface}: nothing was counted");
            assert_eq!(common(knew).hash_runs, u64::from(surface == "sign-in"), "{surface}");
        }
        // Whoever is known and may not sign in looks like nobody as well.
        let mut nobody = Vec::new();
        for _ in 0..SAMPLES {
            nobody.push(known.ask("sign-in", false).await);
        }
        for closed in [false, true] {
            let name = format!("known-000{}", u8::from(closed));
            end(&known.world, &name, closed).await;
            let mut ended = Vec::new();
            for _ in 0..SAMPLES {
                known.rest().await;
                let mut browser = browser(&known.world);
                let fields = [("username", name.as_str()), ("password", "correct horse battery")];
                ended.push(posted(&known.world, &mut browser, "/sign-in", &fields).await);
            }
            assert_eq!(common(&ended), common(&nobody), "closed: {closed}");
            assert_eq!(seen(&ended[0].answer), seen(&nobody[0].answer), "closed: {closed}");
        }
    });
    println!("\nsampled");
}

#[test]
fn i11_known_and_unknown_cost_the_same_statements_and_hash_runs() {
    let program = std::env::current_exe().unwrap();
    let done = Command::new(program)
        .args(["--exact", SAMPLER, "--ignored", "--nocapture"])
        .env_remove(PAIRS)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let complained = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("\nsampled\n"), "{said}\n{complained}");
    assert_eq!(said.lines().filter(|line| line.starts_with("sample ")).count(), 3 * SAMPLES * 2);
}

/// Rule: the row next to a name that nobody has is worked on, and opens nothing: not with its own password, and a wrong one does
/// not count against it.
#[test]
fn i11_the_password_of_whoever_is_nearest_opens_nothing_under_another_name() {
    run(async {
        let known = Known::new(1).await;
        let world = &known.world;
        for (name, password, status) in [
            ("known-00000", "correct horse battery", 422),
            ("known-0000", "correct horse battery", 303),
            ("known-00000", "wrong", 422),
        ] {
            world.clock.advance(Duration::from_secs(3_601));
            let mut browser = browser(world);
            let fields = [("username", name), ("password", password)];
            assert_eq!(
                posted(world, &mut browser, "/sign-in", &fields).await.answer.status,
                status,
                "{name} {password}"
            );
        }
        let username = Username::new("known-0000").unwrap();
        let nearest = accounts::by_username(&world.app.db, &username).await.unwrap().unwrap();
        assert_eq!(accounts::standing(&world.app.db, nearest.id).await.unwrap().password_failures, 0);
    });
}
