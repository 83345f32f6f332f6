//! `devnet bench`, for its shape: the figures are what the machine gives.

use std::path::Path;

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
    positive(&point["gap_ms"]);
    if batch == 1 {
        let ratio = tps / positive(&point["bound_tps"]);
        assert!((positive(&point["ratio"]) - ratio).abs() < 0.01, "{point}");
    }
}

#[test]
fn the_quick_benchmark_measures_machine_and_networks_and_leaves_nothing() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["devnet", "bench", "--quick", "--json", "--dir", "bench", "--write", "results"];
    let output = command_in(folder.path(), &arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for figure in ["cores", "verify_per_second", "blake3_per_second", "store_puts_per_second"] {
        positive(&report["machine"][figure]);
    }
    assert!(positive(&report["machine"]["sync_us"]["p50"]) <= positive(&report["machine"]["sync_us"]["p99"]));
    positive(&report["machine"]["noise"]["verify_after"]);
    let scenarios = report["scenarios"].as_object().unwrap();
    assert_eq!(scenarios.keys().collect::<Vec<_>>(), ["a", "b", "c", "g", "h"]);
    let points = scenarios["a"]["points"].as_array().unwrap();
    assert_eq!(points.len(), 1);
    check_point(&points[0], 1);
    check_idle(&scenarios["a"]["idle"]);
    // On a machine on which no rate holds, there is no highest one; but rates were tried.
    for (letter, batch) in [("b", 1), ("c", 1_000)] {
        assert!(!scenarios[letter]["tried"].as_array().unwrap().is_empty());
        if scenarios[letter].get("tps").is_some() {
            check_point(&scenarios[letter], batch);
        }
    }
    if let Some(overload) = scenarios["b"].get("overload") {
        check_point(overload, 1);
        assert_eq!(overload["rate"].as_u64().unwrap(), 2 * scenarios["b"]["rate"].as_u64().unwrap());
        let kept = positive(&overload["tps"]) / positive(&scenarios["b"]["tps"]);
        assert!((positive(&overload["kept"]) - kept).abs() < 0.01, "{overload}");
    }
    check_growth(&scenarios["g"]);
    check_reads(&scenarios["h"]);
    assert!(!folder.path().join("bench").exists(), "the networks are gone");
    check_document(&folder.path().join("results"));
}

/// Four validators without anything to order make heartbeats only.
fn check_idle(idle: &Value) {
    let span = positive(&idle["span_s"]);
    assert_eq!(idle["core_percent"].as_array().unwrap().len(), 4);
    let blocks = positive(&idle["blocks"]);
    assert!(blocks <= span + 2.0, "{idle}: a block a second, and one at either end");
}

/// Scenario g tells of every part, and of a validator before and after all of them.
fn check_growth(growth: &Value) {
    assert_eq!((&growth["accounts"], &growth["batch"]), (&12_000.into(), &1_000.into()));
    let parts = growth["parts"].as_array().unwrap();
    let transfers: Vec<u64> = parts.iter().map(|part| part["transfers"].as_u64().unwrap()).collect();
    assert_eq!(transfers, [10_000, 20_000]);
    for part in parts {
        positive(&part["tps"]);
        assert_eq!(part["failed"], 0);
        for figure in ["rss_mb", "disk_mb"] {
            let figures = part[figure].as_array().unwrap();
            assert_eq!(figures.len(), 4);
            for figure in figures {
                positive(figure);
            }
        }
    }
    for when in ["begin", "end"] {
        for until in ["serves_s", "caught_up_s", "signs_s"] {
            positive(&growth["restart"][when][until]);
        }
    }
    let each = positive(&growth["disk"]["bytes_per_transfer"]);
    let tables = growth["disk"]["tables"].as_object().unwrap();
    let sum: f64 = tables.values().map(|bytes| bytes.as_f64().unwrap()).sum();
    assert!((sum - each).abs() < 1.0, "{growth}");
    // A transfer changes two accounts, and each has it in its history: it leaves tens of bytes at least.
    assert!(each > 20.0, "{growth}");
}

/// Scenario h reads all three kinds, and compares the load with itself.
fn check_reads(measured: &Value) {
    let points = measured["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    points.iter().for_each(|point| check_point(point, 1));
    positive(&measured["p99_ratio"]);
    let reads = measured["reads"].as_array().unwrap();
    let kinds: Vec<&str> = reads.iter().map(|read| read["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["account", "receipt", "history page"]);
    for read in reads {
        assert_eq!(read["failed"], 0, "{read}");
        positive(&read["answered"]);
        assert!(positive(&read["latency_ms"]["p50"]) <= positive(&read["latency_ms"]["p99"]));
    }
    positive(&reads[2]["rows"]);
}

/// The page names machine, noise and scenarios, and the plot has the tried rates.
fn check_document(folder: &Path) {
    let page = std::fs::read_to_string(folder.join("results.md")).unwrap();
    for part in [
        "| commit |",
        "| machine |",
        "| noise |",
        "](latency.svg)",
        "\n## a:",
        "\n## g:",
        "bytes a transfer",
        "Nothing to order",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let plot = std::fs::read_to_string(folder.join("latency.svg")).unwrap();
    assert!(plot.contains("<polyline") && plot.contains("1,000 transfers a transaction, p99"), "{plot}");
}

#[test]
fn a_folder_that_is_there_is_left_alone_and_scenarios_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let refused = command_in(folder.path(), &["devnet", "bench", "--quick", "--dir", "."]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("is there already"), "{}", text(&refused.stderr));
    let listed = command_in(folder.path(), &["devnet", "bench", "--list"]).output().unwrap();
    assert_eq!(text(&listed.stdout).lines().count(), 8);
}
