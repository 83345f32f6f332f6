//! `devnet bench`, for its shape: the figures are what the machine gives.

use serde_json::Value;

use crate::fixture::{command_in, text, turn};

fn positive(value: &Value) -> f64 {
    let number = value.as_f64().unwrap_or_else(|| panic!("no number: {value}"));
    assert!(number > 0.0, "{number}");
    number
}

/// A measured rate has all its figures, and they agree with each other.
fn check_point(point: &Value, batch: u64) {
    let tps = positive(&point["tps"]);
    assert_eq!(point["batch"], batch);
    assert_eq!(point["runs"], 1);
    assert_eq!(point["rss_mb"].as_array().unwrap().len(), 4);
    assert!(positive(&point["latency_ms"]["p50"]) <= positive(&point["latency_ms"]["p99"]));
    assert!(positive(&point["nodes_cpu_us"]) > 0.0);
    if batch == 1 {
        let ratio = tps / positive(&point["bound_tps"]);
        assert!((positive(&point["ratio"]) - ratio).abs() < 0.01, "{point}");
    }
}

#[test]
fn the_quick_benchmark_measures_machine_and_networks_and_leaves_nothing() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let output =
        command_in(folder.path(), &["devnet", "bench", "--quick", "--json", "--dir", "bench"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for figure in ["cores", "verify_per_second", "blake3_per_second", "store_puts_per_second"] {
        positive(&report["machine"][figure]);
    }
    assert!(positive(&report["machine"]["sync_us"]["p50"]) <= positive(&report["machine"]["sync_us"]["p99"]));
    let scenarios = report["scenarios"].as_object().unwrap();
    assert_eq!(scenarios.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    let points = scenarios["a"]["points"].as_array().unwrap();
    assert_eq!(points.len(), 1);
    check_point(&points[0], 1);
    // On a machine on which no rate holds, there is no highest one.
    for (letter, batch) in [("b", 1), ("c", 1_000)] {
        if scenarios[letter].get("tps").is_some() {
            check_point(&scenarios[letter], batch);
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the networks are gone");
}

#[test]
fn a_folder_that_is_there_is_left_alone_and_scenarios_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let refused = command_in(folder.path(), &["devnet", "bench", "--quick", "--dir", "."]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("is there already"), "{}", text(&refused.stderr));
    let listed = command_in(folder.path(), &["devnet", "bench", "--list"]).output().unwrap();
    assert_eq!(text(&listed.stdout).lines().count(), 6);
}
