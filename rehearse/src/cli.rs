//! The command line of `rehearse`.

mod binaries;
mod life;
mod rehearsal;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use self::rehearsal::Rehearsal;
use super::{
    config::Pace,
    console::Console,
    recorded::{self, RecordedError},
    service::ecs::{Engine, EngineError, LeftBehind},
    stage::{Config, Stage},
    template::TemplateErrors,
};
use ecs_tasks::monitor::decide::settings::SettingsErrors;

/// The period of the watch, as cfn/provider.yml schedules it.
const WATCH: Duration = Duration::from_secs(60);

/// The longest silence of the console.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Rehearses a template's Custom::ECSTask resources on this machine, without an AWS account. It creates,
/// updates and deletes the stack with the real function, and runs containers as local processes. With
/// --events, the monitor runs too, and its findings are shown.
///
/// The function uses its ledger, as set up by cfn/provider.yml: it parks a wait in a table, and an ECS event,
/// or the watch that runs once a minute, resumes it. The last line of the output counts invocations by events
/// and by the watch separately, and the calls to the table as a single number.
///
/// If the function is a service's lifecycle hook, the rehearsal runs the hooks of each deployment of the
/// service, but no task of the service itself: on create, on each update that starts a deployment, and with
/// --deploy.
///
/// Exit status: 0 if every step ended as expected and every event was read; 1 if a stack operation or a
/// deployment failed; 2 if the command line or the template is invalid (reported before anything starts); 3 if
/// the template has nothing to rehearse; 130 if interrupted (Ctrl-C, SIGTERM, SIGHUP).
#[derive(Debug, Parser)]
#[command(name = "rehearse", version)]
pub struct Arguments {
    /// The template: YAML, short forms included, or JSON.
    #[arg(required_unless_present = "events")]
    template: Option<PathBuf>,
    /// A parameter's value. For a parameter of an SSM type it is the resolved value. Can be repeated.
    #[arg(long = "parameter", short, value_name = "NAME=VALUE", value_parser = assignment)]
    parameters: Vec<(String, String)>,
    /// The value of another stack's export, instead of a made-up one. For an output that is not exported,
    /// write STACK.OUTPUT=VALUE. Can be repeated.
    #[arg(long = "import", value_name = "EXPORT=VALUE", value_parser = assignment)]
    imports: Vec<(String, String)>,
    /// The value of an SSM parameter, instead of a made-up one. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    ssm: Vec<(String, String)>,
    /// A task definition that is not in the template: the output of `aws ecs describe-task-definition`. Can be
    /// repeated.
    #[arg(long = "task-definition", value_name = "FILE")]
    task_definitions: Vec<PathBuf>,
    /// Rehearse the custom resources that have this ServiceToken, whatever their type, and the lifecycle hooks
    /// that have this HookTargetArn. TOKEN is the value, the export that it imports, or the resource that it
    /// refers to [default: resources of type Custom::ECSTask, resources that import ecs-tasks-FunctionArn, and
    /// hooks whose HookDetails contain ECSTask]
    #[arg(long, value_name = "TOKEN")]
    service_token: Option<String>,
    /// A new value for a parameter. After the create, one update applies all of them. Can be repeated.
    #[arg(long = "update", short, value_name = "NAME=VALUE", value_parser = assignment)]
    updates: Vec<(String, String)>,
    /// The next version of the template: after the create, an update applies it.
    #[arg(long, value_name = "FILE")]
    update_template: Option<PathBuf>,
    /// Deploy this service after the create, as a pipeline would with UpdateService, so that its lifecycle
    /// hooks run. With a FILE (the output of describe-task-definition), register that task definition first. Can
    /// be repeated.
    #[arg(long, value_name = "LOGICALID[=FILE]", value_parser = deploy)]
    deploy: Vec<(String, Option<PathBuf>)>,
    /// Make this resource fail, so that you can see the rollback, which should succeed. It fails in the update
    /// if there is one, otherwise in the create, and after every resource that does not depend on it.
    #[arg(long, value_name = "LOGICALID")]
    fail: Option<String>,
    /// Run each stack operation with DisableRollback: a resource that fails stays in CREATE_FAILED or
    /// UPDATE_FAILED, and the next operation starts from there.
    #[arg(long)]
    disable_rollback: bool,
    /// Run each stack operation in EXPRESS mode, which turns rollback off. AWS does not document whether EXPRESS
    /// waits for a custom resource's answer; the rehearsal waits.
    #[arg(long)]
    express: bool,
    /// Show only the stack's final states, failures, and lines about the rehearsed resources.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Start the monitor and send it the events of the template's tasks, and those of recorded JSON files, which
    /// hold one event, a list of events, or one event per line. The function's metrics are shown too.
    #[arg(long, value_name = "FILE", num_args = 0..)]
    events: Option<Vec<PathBuf>>,
    /// How the monitor writes alerts: text, json or chat.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        requires = "events"
    )]
    alert_format: String,
    /// A stoppedReason that needs no alert, instead of the default ones; * matches any text. Can be repeated.
    #[arg(long, value_name = "PATTERN", requires = "events")]
    ignore: Vec<String>,
    /// Run containers from their images, on the container engine (Docker or Podman) at DOCKER_HOST or its default
    /// socket. Without this option, they run as local processes.
    #[arg(long)]
    docker: bool,
    /// Run the function without its ledger, so that it polls tasks every few seconds.
    #[arg(long)]
    no_ledger: bool,
    /// Show the functions' logs too.
    #[arg(long, short)]
    verbose: bool,
    /// The function's time limit, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    lambda_timeout: u64,
    /// The function's binary [default: ecs_tasks beside this program]
    #[arg(long, value_name = "PATH")]
    function: Option<PathBuf>,
    /// The monitor's binary [default: ecs_events beside this program]
    #[arg(long, value_name = "PATH", requires = "events")]
    monitor: Option<PathBuf>,
}

/// An error that ends a rehearsal.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("{}: {error}", path.display())]
    Unreadable {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}", shown(.0))]
    Templates(Vec<(PathBuf, TemplateErrors)>),
    #[error("{}: {problem}", path.display())]
    Definition { path: PathBuf, problem: String },
    #[error("{}: {problem}", path.display())]
    Nothing { path: PathBuf, problem: String },
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    #[error("--events needs a file of events, or a template whose tasks produce some")]
    NoEvents,
    #[error("{0} needs a template")]
    NoTemplate(&'static str),
    #[error("the monitor would not start: {0}")]
    Settings(#[from] SettingsErrors),
    #[error(
        "there is no function at {}: build it with `cargo build --bin {name}`, or name it with --{option}",
        path.display()
    )]
    NoFunction {
        path: PathBuf,
        name: &'static str,
        option: &'static str,
    },
    #[error("interrupted; all running containers have been killed")]
    Interrupted,
    #[error("cannot open a port on the loopback interface: {0}")]
    NoStage(std::io::Error),
    #[error(transparent)]
    NoEngine(#[from] EngineError),
    #[error(transparent)]
    LeftBehind(#[from] LeftBehind),
}

/// Runs a rehearsal and returns its exit status. Errors go to stderr.
#[expect(clippy::print_stderr, reason = "an error belongs on stderr")]
pub async fn rehearse(arguments: Arguments) -> ExitCode {
    match arguments.rehearse().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("rehearse: {error}");
            ExitCode::from(match error {
                Unfit::Interrupted => 130,
                Unfit::Nothing { .. } => 3,
                _ => 2,
            })
        }
    }
}

impl Arguments {
    async fn rehearse(&self) -> Result<bool, Unfit> {
        let rehearsal = self
            .template
            .as_deref()
            .map(|path| Rehearsal::read(self, path))
            .transpose()?;
        if rehearsal.is_none() {
            self.needs_template()?;
        }
        let recorded = self.recorded()?;
        let names = rehearsal.iter().flat_map(Rehearsal::names);
        let console =
            Console::new(self.verbose, self.quiet, names).measuring(self.events.is_some());
        let engine = match self.docker {
            true => Engine::docker(console.reporter()).await?,
            false => Engine::default(),
        };
        let config = Config {
            engine: engine.clone(),
            // Recorded events alone leave nothing in the ledger for the watch.
            watch: (rehearsal.is_some() && !self.no_ledger).then_some(WATCH),
            runner: self.runner(rehearsal.is_some())?,
            monitor: self.events.is_some().then(|| self.monitor()).transpose()?,
            // Much shorter than at AWS: nobody wants to wait 20 s for a network interface that does
            // not exist.
            pace: Pace {
                start: Duration::from_millis(100),
                deprovision: Duration::from_millis(500),
                retries: [Duration::from_secs(2), Duration::from_secs(4)],
            },
        };
        let stage = Stage::open(config, console.reporter())
            .await
            .map_err(Unfit::NoStage)?;
        let planned = rehearsal
            .map(|rehearsal| rehearsal.on(&stage, &console))
            .transpose()?;
        let ended = tokio::select! {
            ended_well = life::live(planned, recorded, &stage, &console) => Ok(ended_well),
            () = signs_of_life(&console) => Ok(false),
            () = interrupted() => Err(Unfit::Interrupted),
        };
        // Containers run in process groups of their own or on the engine, so they would outlive the
        // rehearsal.
        stage.close();
        stage.closed().await;
        engine.close().await?;
        ended
    }

    fn recorded(&self) -> Result<Vec<(PathBuf, Vec<Value>)>, Unfit> {
        match &self.events {
            Some(files) if files.is_empty() && self.template.is_none() => Err(Unfit::NoEvents),
            files => files
                .iter()
                .flatten()
                .map(|file| Ok((file.clone(), recorded::read(file)?)))
                .collect(),
        }
    }

    fn needs_template(&self) -> Result<(), Unfit> {
        let given = [
            ("--deploy", !self.deploy.is_empty()),
            ("--disable-rollback", self.disable_rollback),
            ("--docker", self.docker),
            ("--express", self.express),
            ("--fail", self.fail.is_some()),
            ("--function", self.function.is_some()),
            ("--import", !self.imports.is_empty()),
            ("--no-ledger", self.no_ledger),
            ("--parameter", !self.parameters.is_empty()),
            ("--quiet", self.quiet),
            ("--service-token", self.service_token.is_some()),
            ("--ssm", !self.ssm.is_empty()),
            ("--task-definition", !self.task_definitions.is_empty()),
            ("--update", !self.updates.is_empty()),
            ("--update-template", self.update_template.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(Unfit::NoTemplate(option)),
            None => Ok(()),
        }
    }
}

/// Waits until somebody ends the rehearsal: Ctrl-C, a closed terminal, or a cancelled job of CI.
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
        // Without a handler the signal still has its default action, which ends the process.
        Err(_) => std::future::pending().await,
    }
}

async fn signs_of_life(console: &Console) {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE).await;
        console.sign_of_life();
    }
}

/// One line for each error, with its file in front.
fn shown(templates: &[(PathBuf, TemplateErrors)]) -> String {
    let line = |(path, errors): &(PathBuf, TemplateErrors)| -> Vec<String> {
        errors
            .0
            .iter()
            .map(|error| format!("{}: {error}", path.display()))
            .collect()
    };
    templates
        .iter()
        .flat_map(line)
        .collect::<Vec<_>>()
        .join("\nrehearse: ")
}

/// A service, and the file with its task definition.
fn deploy(text: &str) -> Result<(String, Option<PathBuf>), String> {
    match text.contains('=') {
        true => assignment(text).map(|(service, file)| (service, Some(file.into()))),
        false => Ok((text.to_owned(), None)),
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text} is not NAME=VALUE"))?;
    if name.is_empty() {
        Err(format!("{text} has no name before its ="))
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}
