//! The figures that both functions are held to, measured with the zips' own binaries against the
//! stage.
//!
//! `make bench` prints them beside their limits. They are no test: a shared machine is too noisy
//! for that, so each is a median, or a count.
#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]

mod monitor;
mod runner;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use rehearse::{
    config::Pace,
    service::{
        ecs::Engine,
        lambda::{Function, Lambda},
    },
    stage::{Config, Stage},
};
use time::OffsetDateTime;

/// Number of measurements of each time.
const ROUNDS: usize = 41;

/// A figure, and what it is held to.
struct Figure {
    name: &'static str,
    value: f64,
    limit: Limit,
    unit: &'static str,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing; it is shown for comparison.
    None,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os()
        .skip(1)
        .map(PathBuf::from)
        .filter(|path| path != Path::new("--bench"))
        .collect();
    let [zip, runner, events_zip, monitor] = arguments.as_slice() else {
        println!("usage: figures ZIP BINARY EVENTS_ZIP EVENTS_BINARY");
        return ExitCode::from(2);
    };
    let mut within = true;
    for (function, figures) in [
        ("ecsTasks", runner::figures(zip, runner).await),
        ("ecsEvents", monitor::figures(events_zip, monitor).await),
    ] {
        match figures {
            Ok(figures) => {
                println!("{function:58} {:>10} {:>12}", "measured", "limit");
                figures.iter().for_each(Figure::print);
                within &= figures.iter().all(Figure::is_within);
            }
            Err(error) => {
                println!("figures of {function}: {error}");
                return ExitCode::from(2);
            }
        }
        println!();
    }
    ExitCode::from(u8::from(!within))
}

impl Figure {
    fn is_within(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.value <= limit,
            Limit::AtLeast(limit) => self.value >= limit,
            Limit::None => true,
        }
    }

    fn print(&self) {
        let limit = match self.limit {
            Limit::AtMost(limit) => format!("<= {limit:.2}"),
            Limit::AtLeast(limit) => format!(">= {limit:.0}"),
            Limit::None => String::new(),
        };
        let out = if self.is_within() {
            ""
        } else {
            "  OUT OF ITS LIMIT"
        };
        let Self {
            name, value, unit, ..
        } = self;
        println!("  {name:56} {value:>10.2} {limit:>12} {unit}{out}");
    }
}

/// The size of a zip, in MB.
fn megabytes(zip: &Path) -> io::Result<f64> {
    Ok(fs::metadata(zip)?.len() as f64 / 1e6)
}

/// From the start of each of its processes to their first poll, in ms.
fn starts(lambda: &Lambda) -> impl Iterator<Item = f64> {
    lambda
        .start_times()
        .into_iter()
        .map(|time| time.as_seconds_f64() * 1e3)
}

/// The most memory that a process of the function has had, in MiB.
fn peak(lambda: &Lambda) -> f64 {
    lambda.peak_memory().unwrap_or_default() as f64 / 1024.0
}

/// A stage that loses no time of its own.
///
/// `watch` is how often the watch comes round, of a function with a ledger.
async fn stage(
    runner: Function,
    monitor: Option<Function>,
    watch: Option<Duration>,
) -> io::Result<Arc<Stage>> {
    let pace = Pace {
        start: Duration::from_millis(1),
        deprovision: Duration::from_secs(1),
        retries: [Duration::ZERO; 2],
    };
    Stage::open(
        Config {
            runner,
            monitor,
            pace,
            engine: Engine::default(),
            watch,
        },
        Arc::new(|_| {}),
    )
    .await
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> OffsetDateTime {
    OffsetDateTime::from(std::time::SystemTime::now())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
