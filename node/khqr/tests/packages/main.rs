//! The published packages, unmodified, beside this crate: the same orders and payloads, each answer compared. What is
//! answered otherwise is a row of `differences.rs`, or a failure. `KHQR_INPUTS` says how many inputs (`make soak`: 10,000).

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail by a panic, and says what was compared")]

mod differences;
mod orders;
mod shape;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use differences::{Answer, MAKINGS, Making, PYTHON, Package, Python, Row, VERDICTS, Verdict};
use orders::{Chance, NOW_MS, Order, python_order, spoilt};
use serde_json::{Value, json};
use shape::Shape;
use tonle_khqr::{ErrorCode, Field, Md5, Terms, decode, verify};

/// Inputs when nobody says how many.
const INPUTS: usize = 600;

fn inputs() -> usize {
    std::env::var("KHQR_INPUTS").map_or(INPUTS, |text| text.parse().unwrap())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packages")
}

/// Where the packages are; installed at the first call.
fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("khqr-packages");
        let output = Command::new(folder().join("install.sh")).arg(&tools).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        tools
    })
}

/// What a program answers to these lines: one line each.
fn answers(mut program: Command, lines: Vec<String>) -> Vec<Value> {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let asked = lines.len();
    let writer = std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(input, "{line}")));
    let answers: Vec<Value> =
        BufReader::new(output).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(answers.len(), asked);
    answers
}

fn javascript(lines: Vec<String>) -> Vec<Value> {
    let mut program = Command::new("node");
    program.arg(folder().join("answer.js")).env("NODE_PATH", tools().join("node_modules"));
    answers(program, lines)
}

fn answer(value: &Value) -> Answer {
    let code = |value: &Value| value.as_u64().map(|code| u8::try_from(code).unwrap());
    if value["hangs"] == true {
        Answer::Hangs
    } else if value.get("throws").is_some() {
        Answer::Throws
    } else if let Some(payload) = value["payload"].as_str() {
        Answer::Made(payload.to_owned())
    } else if let Some(valid) = value["valid"].as_bool() {
        if valid { Answer::Valid } else { Answer::Refused(None) }
    } else {
        code(&value["code"]).map_or(Answer::Valid, |code| Answer::Refused(Some(code)))
    }
}

/// How often each row explained something, and what none explained.
#[derive(Default)]
struct Tally {
    compared: usize,
    explained: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Tally {
    fn differs<T>(&mut self, rows: &[Row<T>], difference: &T, description: impl FnOnce() -> String) {
        match rows.iter().find(|(_, explains)| explains(difference)) {
            Some((reason, _)) => *self.explained.entry(reason).or_default() += 1,
            None => self.unexplained.push(description()),
        }
    }
    fn end(self, name: &str) {
        eprintln!("{name}: {} answers compared; otherwise, and explained:", self.compared);
        self.explained.iter().for_each(|(reason, times)| eprintln!("{times:>7}  {reason}"));
        let first: Vec<&String> = self.unexplained.iter().take(12).collect();
        assert!(first.is_empty(), "{name}: {} differences that no row explains: {first:#?}", self.unexplained.len());
    }
}

#[test]
fn codes_are_made_as_the_sdks_make_them() {
    let mut chance = Chance(1);
    let orders: Vec<Order> = (0..inputs()).map(|_| Order::any(&mut chance)).collect();
    let answered = javascript(orders.iter().map(Order::line).collect());
    let (mut tally, mut same) = (Tally::default(), 0);
    for (order, answered) in orders.iter().zip(&answered) {
        let made = order.generate();
        let ours = made.as_ref().err().map(|code| code.number());
        for (package, name) in [(Package::Official, "official"), (Package::Other, "other")] {
            tally.compared += 1;
            let theirs = answer(&answered[name]);
            let expected = match &made {
                Ok(payload) => Answer::Made(payload.clone()),
                Err(code) => Answer::Refused(Some(code.number())),
            };
            if theirs != expected {
                let difference = Making { package, order: order.clone(), ours, theirs: theirs.clone() };
                tally.differs(MAKINGS, &difference, || {
                    format!("{package:?} {theirs:?}, ours {made:?}: {}", order.line())
                });
                continue;
            }
            match &made {
                Ok(payload) => {
                    same += 1;
                    assert_eq!(answered[name]["md5"], Md5::of(payload).to_string().as_str());
                }
                Err(code) => assert_eq!(answered[name]["message"], code.message()),
            }
        }
    }
    assert!(same * 8 > tally.compared, "only {same} codes were made");
    tally.end("made");
}

#[test]
fn payloads_are_judged_as_the_sdks_judge_them() {
    let mut chance = Chance(2);
    let mut seeds = Vec::new();
    while seeds.len() < 100 {
        seeds.extend(Order::any(&mut chance).generate().ok());
    }
    let payloads: Vec<String> = (0..inputs())
        .map(|number| {
            let seed = &seeds[chance.below(seeds.len())];
            if number % 10 == 0 { seed.clone() } else { spoilt(seed, &mut chance) }
        })
        .collect();
    let answered =
        javascript(payloads.iter().map(|payload| json!({ "now": NOW_MS, "payload": payload }).to_string()).collect());
    let (mut tally, mut valid, mut refused) = (Tally::default(), 0, 0);
    for (payload, answered) in payloads.iter().zip(&answered) {
        let (ours, shape) = (verify(payload, NOW_MS).err().map(ErrorCode::number), Shape::of(payload));
        for (package, name) in [(Package::Official, "official"), (Package::Other, "other")] {
            tally.compared += 1;
            let theirs = answer(&answered[name]);
            let expected = match (ours, package) {
                (None, _) => Answer::Valid,
                (Some(_), Package::Official) => Answer::Refused(None),
                (Some(code), Package::Other) => Answer::Refused(Some(code)),
            };
            if theirs != expected {
                let difference = Verdict { package, shape: shape.clone(), ours, theirs: theirs.clone() };
                tally.differs(VERDICTS, &difference, || format!("{package:?} {theirs:?}, ours {ours:?}: {payload}"));
            } else if ours.is_some() {
                refused += 1;
            } else {
                valid += 1;
            }
        }
        // What is whole is decoded alike, valid or not.
        let whole = !shape.odd && !shape.overrun && !shape.repeated && !shape.two_payees && !shape.template_broken;
        if whole && !shape.behind_checksum {
            tally.compared += 1;
            let fields = decode(payload);
            for field in Field::ALL {
                let theirs = answered["decoded"][field.name()].as_str().unwrap_or_default();
                assert_eq!(fields.get(field).unwrap_or_default(), theirs, "{} of {payload}", field.name());
            }
        }
    }
    assert!(valid * 20 > tally.compared && refused * 20 > tally.compared, "{valid} valid, {refused} refused alike");
    tally.end("judged");
}

#[test]
fn codes_of_pypis_package_are_read() {
    let mut chance = Chance(3);
    let inputs: Vec<Value> = (0..inputs()).map(|_| python_order(&mut chance)).collect();
    let mut program = Command::new(tools().join("venv/bin/python"));
    program.arg(folder().join("answer.py"));
    let lines = inputs.iter().map(|input| json!({ "now": NOW_MS, "input": input }).to_string()).collect();
    let (mut tally, mut read) = (Tally::default(), 0);
    for (input, answered) in inputs.iter().zip(answers(program, lines)) {
        // What it refuses itself has made no code.
        let Some(payload) = answered["payload"].as_str() else { continue };
        tally.compared += 1;
        assert_eq!(answered["md5"], Md5::of(payload).to_string().as_str());
        let khqr = match verify(payload, NOW_MS) {
            Ok(khqr) => khqr,
            Err(code) => {
                let difference = Python { payload: payload.to_owned(), ours: code.number() };
                tally.differs(PYTHON, &difference, || format!("{code:?}: {payload}"));
                continue;
            }
        };
        read += 1;
        assert_eq!(khqr.payee.account(), input["account_id"]);
        assert_eq!(
            (khqr.name, khqr.currency.code()),
            (input["merchant_name"].as_str().unwrap(), input["currency"].as_str().unwrap())
        );
        let hundredths = khqr.amount().map_or(0, |amount| amount.scaled(2).unwrap());
        assert_eq!(
            format!("{}.{:02}", hundredths / 100, hundredths % 100),
            format!("{:.2}", input["amount"].as_f64().unwrap())
        );
        let days = input["expiration"].as_u64().unwrap();
        match khqr.terms {
            Terms::Static { amount, created_ms } => assert_eq!((amount, created_ms), (None, Some(NOW_MS))),
            Terms::Dynamic { created_ms, expires_ms, .. } => {
                assert_eq!((created_ms, expires_ms), (Some(NOW_MS), NOW_MS + days * 86_400_000));
            }
        }
        let noted = [khqr.additional.bill_number, khqr.additional.store_label, khqr.additional.terminal_label];
        for (noted, name) in noted.into_iter().zip(["bill_number", "store_label", "terminal_label"]) {
            assert_eq!(noted.unwrap_or_default(), input[name].as_str().unwrap_or_default().trim(), "{name}");
        }
    }
    assert!(read * 8 > tally.compared, "only {read} were read");
    tally.end("PyPI");
}
