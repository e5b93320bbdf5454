//! What the program in the guest has written.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Least, median and most of some rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

impl Spread {
    /// Of values, at least one; the upper of two medians.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { least, median: *values.get(values.len() / 2)?, most })
    }
}

/// How many times a peer's rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    /// Of the rounds, each by itself.
    pub(super) rounds: Spread,
    /// Of the fastest round of each: what a busy machine has disturbed least.
    pub(super) fastest: f64,
}

/// One round of one kind of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Round {
    pub(super) requests_per_second: f64,
    /// Seconds of processor time a request took.
    pub(super) driver: f64,
    /// Nothing for a device of the kernel's.
    pub(super) worker: Option<f64>,
}

/// Bytes that are held.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Memory {
    pub(super) subject: String,
    pub(super) pages: f64,
    pub(super) stored: f64,
    pub(super) used: f64,
    pub(super) table: f64,
    pub(super) headroom: f64,
    pub(super) processes: f64,
}

impl Memory {
    pub(super) fn total(&self) -> f64 {
        self.used + self.table + self.headroom + self.processes
    }
}

/// All of one machine's.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// As they were written.
    pub(super) lines: Vec<Value>,
    pub(super) machine: Value,
    /// Names in the order in which they came first.
    pub(super) subjects: Vec<String>,
    pub(super) works: Vec<String>,
    speed: BTreeMap<(String, String), Vec<Round>>,
    pub(super) memory: Vec<Memory>,
    /// What, of whom, at which size, and the seconds of each round.
    pub(super) times: Vec<([String; 3], Vec<f64>)>,
}

impl Records {
    /// Reads JSON objects, one a line.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut records = Self::default();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            records.take(&value).with_context(|| line.to_owned())?;
            records.lines.push(value);
        }
        Ok(records)
    }

    fn take(&mut self, line: &Value) -> anyhow::Result<()> {
        match string(line, "part")?.as_str() {
            "machine" => self.machine = line.clone(),
            "speed" => {
                let (subject, work) = (string(line, "subject")?, string(line, "work")?);
                let requests = number(line, "requests")?;
                let round = Round {
                    requests_per_second: requests / number(line, "seconds")?,
                    driver: number(line, "driver")? / requests,
                    worker: number(line, "worker").ok().map(|seconds| seconds / requests),
                };
                note(&mut self.subjects, &subject);
                note(&mut self.works, &work);
                self.speed.entry((subject, work)).or_default().push(round);
            }
            "memory" => self.memory.push(Memory {
                subject: string(line, "subject")?,
                pages: number(line, "pages")?,
                stored: number(line, "stored")?,
                used: number(line, "used")?,
                table: number(line, "table")?,
                headroom: number(line, "headroom")?,
                processes: number(line, "processes")?,
            }),
            "times" => {
                let name = [string(line, "what")?, string(line, "subject")?, string(line, "size")?];
                let seconds = number(line, "seconds")?;
                match self.times.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, rounds)) => rounds.push(seconds),
                    None => self.times.push((name, vec![seconds])),
                }
            }
            other => bail!("there is no part {other}"),
        }
        Ok(())
    }

    /// The rounds of some work.
    pub(super) fn rounds(&self, subject: &str, work: &str) -> &[Round] {
        let key = (subject.to_owned(), work.to_owned());
        self.speed.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Requests a second.
    pub(super) fn rate(&self, subject: &str, work: &str) -> Option<Spread> {
        Spread::of(self.rounds(subject, work).iter().map(|round| round.requests_per_second))
    }

    /// How many times the rate of the fastest of `peers`.
    pub(super) fn ratio(&self, subject: &str, peers: &[&str], work: &str) -> Option<Ratio> {
        let median = |peer: &&&str| self.rate(peer, work).map_or(0.0, |rate| rate.median);
        let best = peers.iter().max_by(|a, b| median(a).total_cmp(&median(b)))?;
        let pairs = self.rounds(subject, work).iter().zip(self.rounds(best, work));
        let rounds = Spread::of(
            pairs.map(|(ours, peer)| ours.requests_per_second / peer.requests_per_second),
        )?;
        let fastest = self.rate(subject, work)?.most / self.rate(best, work)?.most;
        Some(Ratio { rounds, fastest })
    }
}

fn note(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

fn string(line: &Value, name: &str) -> anyhow::Result<String> {
    let text = line.get(name).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no text `{name}`"))?.to_owned())
}

fn number(line: &Value, name: &str) -> anyhow::Result<f64> {
    line.get(name).and_then(Value::as_f64).with_context(|| format!("no number `{name}`"))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Rounds of 1, 2 and 4 requests a second times `speed`.
    pub(in super::super) fn speed(subject: &str, work: &str, speed: f64) -> String {
        let line = |seconds: f64| {
            let record = json!({
                "part": "speed", "subject": subject, "work": work, "round": 1, "requests": 1000,
                "seconds": seconds * 1000.0 / speed, "driver": 0.001, "worker": null,
            });
            format!("{record}\n")
        };
        [1.0, 0.25, 0.5].map(line).concat()
    }

    #[test]
    fn rounds_are_compared_one_by_one_with_the_fastest_peer() {
        let text = speed("slow", "read", 1.0) + &speed("fast", "read", 2.0);
        let text = text + &speed("ours", "read", 3.0);
        let records = Records::parse(&text).expect("records");
        assert_eq!(records.subjects, ["slow", "fast", "ours"]);
        let rate = records.rate("slow", "read").expect("rounds");
        assert_eq!(rate, Spread { least: 1.0, median: 2.0, most: 4.0 });
        let ratio = records.ratio("ours", &["slow", "fast", "absent"], "read").expect("rounds");
        let rounds = Spread { least: 1.5, median: 1.5, most: 1.5 };
        assert_eq!(ratio, Ratio { rounds, fastest: 1.5 });
        assert_eq!(records.ratio("ours", &["fast"], "write"), None);
        assert_eq!(records.rounds("slow", "read").first().expect("one").driver, 0.000_001);
    }

    #[test]
    fn a_line_of_another_form_is_shown() {
        for line in ["{", r#"{"part":"speed"}"#, r#"{"part":"song"}"#, "{}"] {
            let error = Records::parse(line).expect_err(line);
            assert!(format!("{error:#}").starts_with(line), "{error:#}");
        }
    }
}
