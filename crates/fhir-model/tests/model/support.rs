//! Validation with a time guard.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fhir_model::{Checked, Problem, ProblemCode};

/// The types that these tests accept.
const ALLOWED: &[&str] = &[
    "Appointment",
    "Bundle",
    "Communication",
    "Consent",
    "MedicationRequest",
    "Observation",
    "Parameters",
    "Patient",
    "Questionnaire",
    "Slot",
];

/// Validates on a thread with the stack of a runtime's worker (2 MiB), and fails when that does not end soon: one of
/// the model's faults is an endless loop, and a test that hangs tells nobody which.
pub(crate) fn validate(text: &str) -> Result<Checked, Vec<Problem>> {
    let (sender, receiver) = mpsc::channel();
    let bytes = text.as_bytes().to_vec();
    thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(move || sender.send(fhir_model::validate(&bytes, ALLOWED)))
        .expect("a thread");
    let shown: String = text.chars().take(200).collect();
    receiver.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("no answer in 10 s: {shown}"))
}

/// Code and place of the first problem.
pub(crate) fn refusal(text: &str) -> (ProblemCode, String) {
    let problems = validate(text).expect_err(text);
    let first = problems.first().expect("at least one problem");
    (first.code, first.expression.clone())
}
