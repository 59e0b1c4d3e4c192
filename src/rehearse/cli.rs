//! The command line of `rehearse`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    console::Console,
    recorded::{self, RecordedError},
    service::{
        ecs::{Engine, EngineError, LeftBehind},
        lambda::Function,
    },
    setting::{Pace, now},
    stack::{Parameters, Stack},
    stage::{Config, Stage},
    template::{Template, TemplateError},
};
use crate::monitor::decide::settings::{Settings, SettingsErrors};

/// How often a long silence is broken.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Lives through the whole life of a template's Custom::ECSTask resources on this machine, without an AWS account:
/// create, update, delete, with the real function, and with containers as local processes. With --events the monitor
/// watches, too, and what it finds and tells people is shown.
///
/// Exit status: 0 if every step ended in COMPLETE and every event was read, 1 if not, 2 for a bad template, parameter or
/// file of events.
#[derive(Debug, Parser)]
#[command(name = "rehearse", version)]
pub struct Arguments {
    /// The template: YAML, short forms included, or JSON.
    #[arg(required_unless_present = "events")]
    template: Option<PathBuf>,
    /// A parameter's value. Can be given again.
    #[arg(long = "parameter", short, value_name = "NAME=VALUE", value_parser = assignment)]
    parameters: Vec<(String, String)>,
    /// A parameter's new value: updates the stack with all of these after it has been created.
    #[arg(long = "update", short, value_name = "NAME=VALUE", value_parser = assignment)]
    updates: Vec<(String, String)>,
    /// Send recorded events to the monitor: files with one event as JSON, a list, or one a line. Without a file those
    /// of the template's tasks.
    #[arg(long, value_name = "FILE", num_args = 0..)]
    events: Option<Vec<PathBuf>>,
    /// How the monitor writes alerts: text, json or chat.
    #[arg(long, value_name = "FORMAT", default_value = "text", requires = "events")]
    alert_format: String,
    /// A stoppedReason that is nobody's problem, in place of the default ones; * stands for any text. Can be given again.
    #[arg(long, value_name = "PATTERN", requires = "events")]
    ignore: Vec<String>,
    /// Run containers from their images, on the container engine (Docker, Podman) that DOCKER_HOST or its usual socket
    /// leads to; else they are local processes.
    #[arg(long)]
    docker: bool,
    /// Show what the functions log, too.
    #[arg(long, short)]
    verbose: bool,
    /// The function's time limit, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=900))]
    lambda_timeout: u64,
    /// The function's binary [default: ecs_tasks beside this program]
    #[arg(long, value_name = "PATH")]
    function: Option<PathBuf>,
    /// The monitor's binary [default: ecs_events beside this program]
    #[arg(long, value_name = "PATH", requires = "events")]
    monitor: Option<PathBuf>,
}

/// What cannot be rehearsed.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{}", shown(path, errors))]
    Template { path: PathBuf, errors: Vec<TemplateError> },
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    #[error("--events needs a file of events, or a template whose tasks make some")]
    NoEvents,
    #[error("the monitor would not start: {0}")]
    Settings(#[from] SettingsErrors),
    #[error("there is no function at {}: build it with `cargo build --bin {name}`, or name it with --{option}", path.display())]
    NoFunction { path: PathBuf, name: &'static str, option: &'static str },
    #[error("interrupted; what ran has been killed")]
    Interrupted,
    #[error("the stage cannot open a port on loopback: {0}")]
    NoStage(std::io::Error),
    #[error(transparent)]
    NoEngine(#[from] EngineError),
    #[error(transparent)]
    LeftBehind(#[from] LeftBehind),
}

/// A template, and what is to become of it.
struct Rehearsal {
    path: PathBuf,
    template: Template,
    created: Parameters,
    updated: Option<Parameters>,
}

/// Rehearses what the arguments ask for.
#[expect(clippy::print_stderr, reason = "an error belongs on stderr")]
pub async fn rehearse(arguments: Arguments) -> ExitCode {
    match arguments.rehearse().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("rehearse: {error}");
            ExitCode::from(if matches!(error, Unfit::Interrupted) { 130 } else { 2 })
        }
    }
}

impl Arguments {
    async fn rehearse(&self) -> Result<bool, Unfit> {
        let plan = self.template.as_deref().map(|path| self.plan(path)).transpose()?;
        let recorded = self.recorded()?;
        let console = Console::new(self.verbose, plan.iter().flat_map(Rehearsal::names));
        let engine = match self.docker {
            true => Engine::docker(console.reporter()).await?,
            false => Engine::default(),
        };
        let config = Config {
            engine: engine.clone(),
            runner: self.runner(plan.is_some())?,
            monitor: self.events.is_some().then(|| self.monitor()).transpose()?,
            pace: Pace {
                start: Duration::from_millis(100),
                deprovision: Duration::from_millis(500),
                retries: [Duration::from_secs(2), Duration::from_secs(4)],
            },
        };
        let stage = Stage::open(config, console.reporter()).await.map_err(Unfit::NoStage)?;
        let plan = plan.map(|plan| plan.on(&stage, &console)).transpose()?;
        let ended_well = tokio::select! {
            ended_well = live(plan, recorded, &stage, &console) => Ok(ended_well),
            () = signs_of_life(&console) => Ok(false),
            () = interrupted() => Err(Unfit::Interrupted),
        };
        // Containers are process groups of their own, or the engine's: without this they would live on.
        stage.close();
        engine.close().await?;
        ended_well
    }

    fn plan(&self, path: &Path) -> Result<Rehearsal, Unfit> {
        let unfit = |error| Unfit::Template { path: path.to_owned(), errors: vec![error] };
        let unreadable = |error| Unfit::Unreadable { path: path.to_owned(), error };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let template = Template::read(&text).map_err(unfit)?;
        let created: BTreeMap<String, String> = self.parameters.iter().cloned().collect();
        let updated: BTreeMap<String, String> =
            created.clone().into_iter().chain(self.updates.clone()).collect();
        let created = template.parameter_values(&created).map_err(unfit)?;
        let updated = template.parameter_values(&updated).map_err(unfit)?;
        let updated = (!self.updates.is_empty()).then_some(updated);
        Ok(Rehearsal { path: path.to_owned(), template, created, updated })
    }

    /// The events of each file.
    fn recorded(&self) -> Result<Vec<(PathBuf, Vec<Value>)>, Unfit> {
        match &self.events {
            Some(files) if files.is_empty() && self.template.is_none() => Err(Unfit::NoEvents),
            files => files.iter().flatten().map(|file| Ok((file.clone(), recorded::read(file)?))).collect(),
        }
    }

    fn runner(&self, is_needed: bool) -> Result<Function, Unfit> {
        let binary = binary(self.function.as_deref(), "ecs_tasks", "function");
        let mut runner = Function::runner(if is_needed { binary? } else { binary.unwrap_or_default() });
        runner.timeout = Duration::from_secs(self.lambda_timeout);
        runner.environment.push(self.log_level());
        Ok(runner)
    }

    fn monitor(&self) -> Result<Function, Unfit> {
        let mut monitor = Function::monitor(binary(self.monitor.as_deref(), "ecs_events", "monitor")?);
        monitor.environment.push(self.log_level());
        monitor.environment.push(("ALERT_FORMAT".to_owned(), self.alert_format.clone()));
        if !self.ignore.is_empty() {
            monitor
                .environment
                .push(("IGNORE_STOPPED_REASONS".to_owned(), Value::from(self.ignore.clone()).to_string()));
        }
        let variable =
            |name: &str| monitor.environment.iter().find(|one| one.0 == name).map(|one| one.1.clone());
        Settings::of(variable)?;
        Ok(monitor)
    }

    fn log_level(&self) -> (String, String) {
        ("LOG_LEVEL".to_owned(), if self.verbose { "DEBUG" } else { "INFO" }.to_owned())
    }
}

impl Rehearsal {
    /// The names that will be written.
    fn names(&self) -> impl Iterator<Item = String> {
        let resources = self.template.resources.iter().map(|resource| resource.logical_id.clone());
        resources.chain([stack_name(&self.path)])
    }

    /// The stack that it is about, checked, and what is to become of it.
    fn on(
        self,
        stage: &Arc<Stage>,
        console: &Console,
    ) -> Result<(Stack, Parameters, Option<Parameters>), Unfit> {
        let Self { path, template, created, updated } = self;
        let stack = Stack::new(Arc::clone(stage), template, &stack_name(&path), console.events());
        let unfit = |errors| Unfit::Template { path: path.clone(), errors };
        for parameters in [Some(&created), updated.as_ref()].into_iter().flatten() {
            stack.check(parameters).map_err(unfit)?;
        }
        Ok((stack, created, updated))
    }
}

/// Lives the stack's life, with the monitor watching if there is one. True if all went well.
async fn live(
    plan: Option<(Stack, Parameters, Option<Parameters>)>,
    recorded: Vec<(PathBuf, Vec<Value>)>,
    stage: &Stage,
    console: &Console,
) -> bool {
    let began = now();
    if let Some(monitor) = &stage.events {
        for (file, events) in recorded {
            console.file(&file);
            // Each file is a recording of its own: copies of one event, edited, do not stand in each other's way.
            stage.dynamodb.clear();
            for event in events {
                monitor.deliver(event).await;
            }
        }
    }
    let mut steps = Vec::new();
    if let Some((mut stack, created, updated)) = plan {
        steps.push(("create", stack.create(&created).await));
        if let Some(updated) = updated.filter(|_| steps[0].1) {
            steps.push(("update", stack.update(&updated).await));
        }
        steps.push(("delete", stack.delete().await));
    }
    let mut ended_well = steps.iter().all(|(_, ended_well)| *ended_well);
    if let Some(monitor) = &stage.events {
        stage.ecs.settled().await;
        ended_well &= console.findings(monitor.finish().await);
    }
    if !steps.is_empty() {
        console.summary(&steps, (now() - began).as_seconds_f64(), stage);
    }
    ended_well
}

/// The binary that was named, or the one beside this program.
fn binary(named: Option<&Path>, name: &'static str, option: &'static str) -> Result<PathBuf, Unfit> {
    let beside = || std::env::current_exe().map(|program| program.with_file_name(name)).unwrap_or_default();
    let path = named.map_or_else(beside, Path::to_owned);
    if path.is_file() { Ok(path) } else { Err(Unfit::NoFunction { path, name, option }) }
}

/// Waits until somebody wants the rehearsal to end: Ctrl-C, a closed terminal, or what ends a job of CI.
async fn interrupted() {
    tokio::select! {
        () = received(SignalKind::interrupt()) => {}
        () = received(SignalKind::terminate()) => {}
        () = received(SignalKind::hangup()) => {}
    }
}

async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

async fn signs_of_life(console: &Console) {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE).await;
        console.sign_of_life();
    }
}

/// The template's file name, as far as a stack may be called so.
fn stack_name(template: &Path) -> String {
    let stem = template.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String =
        stem.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
    if name.starts_with(|char: char| char.is_ascii_alphabetic()) { name } else { format!("stack-{name}") }
}

/// A line for each error, with the file before it.
fn shown(path: &Path, errors: &[TemplateError]) -> String {
    let lines: Vec<String> = errors.iter().map(|error| format!("{}: {error}", path.display())).collect();
    lines.join("\nrehearse: ")
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} is not NAME=VALUE"))?;
    if name.is_empty() {
        Err(format!("{text} has no name before its ="))
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}
