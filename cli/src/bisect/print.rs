//! The result as JSON and as text.

use serde_json::{Value, json};

use super::Outcome;
use super::judge::{Effect, FRESH_METRICS, Row};
use crate::bench;
use crate::text::put;
use crate::workload::diagnosis::{Slowed, nanoseconds};
use crate::workload::stats::{self, Estimate, Verdict};

pub(super) fn to_json(outcome: &Outcome) -> Value {
    let rows: Vec<Value> = outcome.rows.iter().map(|row| row_json(&outcome.names(), row)).collect();
    let skipped: Vec<Value> =
        outcome.skipped.iter().map(|skipped| json!({ "name": skipped.name, "reason": skipped.reason })).collect();
    let named = |names: &[&str], values: &[f64]| -> Value {
        names
            .iter()
            .zip(values)
            .map(|(name, value)| (name.replace(' ', "_"), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let factors = |floors: &[f64]| floors.iter().map(|floor| floor.exp()).collect::<Vec<_>>();
    json!({
        "workload": outcome.workload.text(),
        "baseline": outcome.baseline,
        "baseline_ns": named(&outcome.names(), &outcome.figures),
        "rounds": outcome.plan.rounds,
        "cycles": outcome.plan.cycles,
        "more_rounds": outcome.more.as_ref().map_or(0, |more| more.rounds),
        "processes": outcome.processes,
        "confidence": stats::CONFIDENCE,
        "slowed": outcome.slowed,
        "noise": named(&outcome.names(), &factors(outcome.floors.usual())),
        "noise_fresh": outcome.fresh_floors.map(|floors| named(&FRESH_METRICS, &factors(&floors))),
        "variants": rows,
        "skipped": skipped,
        "suspects": outcome.suspects,
    })
}

fn row_json(names: &[&str], row: &Row) -> Value {
    let mut value = json!({ "name": row.name, "within_noise": row.is_noise(), "at_full_speed": row.at_full_speed });
    for (name, effect) in names.iter().zip(&row.effects) {
        value[*name] = json!(effect);
    }
    for (name, effect) in FRESH_METRICS.iter().zip(row.fresh.iter().flatten()) {
        value[name.replace(' ', "_")] = json!(effect);
    }
    value
}

pub(super) fn to_text(name: &str, outcome: &Outcome) -> String {
    let names = outcome.names();
    let mut text = format!("{name}: {}\nbaseline: {}\n", outcome.workload.text(), outcome.baseline);
    let figures: Vec<String> =
        names.iter().zip(outcome.figures).map(|(name, ns)| format!("{name} {}", nanoseconds(ns))).collect();
    put(&mut text, format_args!("          {}: medians over rounds\n", figures.join(", ")));
    let more = outcome
        .more
        .as_ref()
        .map_or(String::new(), |more| format!(", and {} more for {} inconclusive ones", more.rounds, more.variants));
    put(
        &mut text,
        format_args!(
            "{} rounds of {} cycles for each{}. Ratios to the baseline:\nmedian over rounds [{:.1} % interval]; ~ within noise, ? inconclusive\n\n",
            outcome.plan.rounds,
            outcome.plan.cycles,
            more,
            stats::CONFIDENCE * 100.0
        ),
    );
    if outcome.plan.cycles < 20 {
        put(&mut text, format_args!("(with fewer than 20 cycles in a round, p95 is the maximum)\n"));
    }
    table(&mut text, &names, outcome.rows.iter().map(|row| (row.name.as_str(), &row.effects[..])));
    put_floors(&mut text, &names, outcome.floors.usual());
    text.push_str(&speed_text(outcome));
    if let Some(fresh_floors) = &outcome.fresh_floors {
        put(&mut text, format_args!("\nin {} fresh processes for each\n", outcome.processes));
        let rows = outcome.rows.iter().filter_map(|row| Some((row.name.as_str(), &row.fresh.as_ref()?[..])));
        table(&mut text, &FRESH_METRICS, rows);
        put_floors(&mut text, &FRESH_METRICS, fresh_floors);
    }
    conclusions(&mut text, outcome);
    text
}

fn table<'a>(text: &mut String, metrics: &[&str], rows: impl Iterator<Item = (&'a str, &'a [Effect])>) {
    let heading: String = metrics.iter().map(|metric| format!("   {metric:<23}")).collect();
    put(text, format_args!("{:<24}{}\n", "", heading.trim_end()));
    for (name, effects) in rows {
        let cells: String = effects.iter().map(cell).collect();
        put(text, format_args!("{name:<24}{}\n", cells.trim_end()));
    }
}

/// `~ 0.967 [0.733 1.136]`, padded to its width.
fn cell(effect: &Effect) -> String {
    let mark = match effect.verdict {
        Verdict::Faster | Verdict::Slower => " ",
        Verdict::Noise => "~",
        Verdict::Inconclusive => "?",
    };
    let Estimate { median, low, high } = effect.ratio;
    format!(" {mark} {:<23}", format!("{median:.3} [{low:.3} {high:.3}]"))
}

/// Says which cycles the figures cover, if not all.
fn speed_text(outcome: &Outcome) -> String {
    let Slowed { looks, slowed } = outcome.slowed;
    let (at_full_speed, others): (Vec<&Row>, Vec<&Row>) = outcome.rows.iter().partition(|row| row.at_full_speed);
    let seen = format!("other threads slowed the processor in {slowed} of {looks} samples");
    match (slowed, at_full_speed.len(), others.len()) {
        (0, ..) => String::new(),
        (_, 0, _) => format!("{seen}: too often to leave out the slowed cycles\n"),
        (_, _, 0) => format!("{seen}: the slowed cycles are left out\n"),
        _ => {
            let names: Vec<&str> = others.iter().map(|row| row.name.as_str()).collect();
            format!("{seen}: the slowed cycles are left out, except for {}\n", names.join(", "))
        }
    }
}

fn put_floors(text: &mut String, metrics: &[&str], floors: &[f64]) {
    let list: Vec<String> =
        metrics.iter().zip(floors).map(|(metric, floor)| format!("{metric} {:.0} %", floor.exp_m1() * 100.0)).collect();
    put(text, format_args!("noise, from the twin: {}\n", list.join(", ")));
}

fn conclusions(text: &mut String, outcome: &Outcome) {
    let (sure, others): (Vec<&Row>, Vec<&Row>) = outcome.rows.iter().partition(|row| row.is_sure());
    let (noise, unsure): (Vec<&Row>, Vec<&Row>) = others.into_iter().partition(|row| row.is_noise());
    put(
        text,
        format_args!("\nwhat matters, most first:{}\n", if sure.is_empty() { " none of the tried settings" } else { "" }),
    );
    for row in sure {
        let meaning = if row.meaning.is_empty() { String::new() } else { format!(": {}", row.meaning) };
        put(text, format_args!("  {} ({}){meaning}\n", row.name, effects_text(&outcome.names(), row, Verdict::is_sure)));
    }
    let names: Vec<&str> = noise.iter().map(|row| row.name.as_str()).collect();
    put(text, format_args!("within noise: {}\n", if names.is_empty() { "none".into() } else { names.join(", ") }));
    if !unsure.is_empty() {
        put(text, format_args!("inconclusive (more --time, more --processes or a quieter machine would decide):\n"));
    }
    for row in unsure {
        let effects = effects_text(&outcome.names(), row, |verdict| verdict == Verdict::Inconclusive);
        put(text, format_args!("  {} ({effects})\n", row.name));
    }
    for skipped in &outcome.skipped {
        put(text, format_args!("not tried: {}: {}\n", skipped.name, skipped.reason));
    }
    put(text, format_args!("\nthe baseline's turns, {}", bench::suspects_text(&outcome.suspects)));
}

/// `mean x0.41, p99 x0.45`.
fn effects_text(names: &[&str], row: &Row, wanted: impl Fn(Verdict) -> bool) -> String {
    let all = names.iter().zip(&row.effects).chain(FRESH_METRICS.iter().zip(row.fresh.iter().flatten()));
    let wanted = all.filter(|(_, effect)| wanted(effect.verdict));
    wanted.map(|(name, effect)| format!("{name} x{:.2}", effect.ratio.median)).collect::<Vec<_>>().join(", ")
}
