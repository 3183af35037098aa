//! What is never written into a log.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use chartgate::config::Limits;

use crate::support::world::{World, fixtures, pairs, run};

const LISTENER: &str = "security::logs::o40_listener";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "a process of the test after it: it hears everything that its process logs"]
fn o40_listener() {
    let lines = Lines::default();
    let writer = lines.clone();
    let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
    everything.with_writer(move || writer.clone()).init();
    run(async {
        let (practices, mut persons) = fixtures();
        persons.retain(|person| person.key == "maria");
        let world = World::start(practices, persons, Limits::default()).await;
        let token = world.token("maria").await;
        let mut browser = world.stranger();
        for path in [
            "/oauth/userinfo",
            "/oauth/token",
            "/oauth/introspect",
            "/oauth/authorize",
            "/fhir/Observation",
            "/",
            "/nothing",
        ] {
            let answer = browser.get(&format!("{path}?access_token={token}")).await;
            assert_ne!(answer.status, 200, "{path}");
            browser.post(path, &pairs(&[("access_token", &token), ("token", &token)])).await;
        }
        browser.get(&format!("/fhir/Observation/{token}")).await;
        browser.get(&format!("/{token}")).await;
        browser.send("GET", "/oauth/userinfo", &[("authorization", &format!("Basic {token}"))], "").await;
        assert_eq!(world.get("/fhir/Observation", &token).await.status, 200);
        let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(said.contains("route=\"/oauth/userinfo\""), "requests are logged");
        // Nor a part of it that would do.
        let part = &token[token.len() - 20..];
        let line = said.lines().find(|line| line.contains(part));
        assert!(line.is_none(), "{line:?}");
    });
    println!("\nheard");
}

#[test]
fn o40_a_token_in_an_address_or_a_form_is_in_no_log() {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", LISTENER, "--ignored", "--nocapture"];
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains("\nheard\n"), "{said}\n{complained}");
}
