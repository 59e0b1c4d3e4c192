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

/// Rehearses a template's Custom::ECSTask resources on this machine, without an AWS account: create, update,
/// delete, with the real function, and with containers as local processes. With --events the monitor watches,
/// too, and what it finds is shown.
///
/// The function has its ledger, as cfn/provider.yml sets it up: a wait for a task is parked in a table and
/// goes on by ECS's event or by a watch, which comes round once a minute. The last line counts what events
/// and the watch invoke separately, and all calls to the table as one number.
///
/// A service whose lifecycle hook is the function is deployed as far as its hooks: on create, on each update
/// that starts a deployment, and with --deploy.
///
/// Exit status: 0 if every step ended as it should and every event was read, 1 if a stack operation or a
/// deployment failed, 2
/// if the command line or the template is wrong, which is reported before anything starts, 3 if the template
/// has nothing to rehearse, 130 if the rehearsal was interrupted (Ctrl-C, SIGTERM, SIGHUP).
#[derive(Debug, Parser)]
#[command(name = "rehearse", version)]
pub struct Arguments {
    /// The template: YAML, short forms included, or JSON.
    #[arg(required_unless_present = "events")]
    template: Option<PathBuf>,
    /// A parameter's value. Can be given again. For a parameter of an SSM type it is the resolved value.
    #[arg(long = "parameter", short, value_name = "NAME=VALUE", value_parser = assignment)]
    parameters: Vec<(String, String)>,
    /// The value of an export of another stack, in place of a made-up one; of an output that is not exported
    /// by STACK.OUTPUT. Can be given again.
    #[arg(long = "import", value_name = "EXPORT=VALUE", value_parser = assignment)]
    imports: Vec<(String, String)>,
    /// The value of a parameter of SSM, in place of a made-up one. Can be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    ssm: Vec<(String, String)>,
    /// A task definition that is not in the template: what `aws ecs describe-task-definition` prints. Can be
    /// given again.
    #[arg(long = "task-definition", value_name = "FILE")]
    task_definitions: Vec<PathBuf>,
    /// Rehearse the custom resources with this ServiceToken, whatever their type, and the lifecycle hooks with
    /// this HookTargetArn: its value, the export that it imports, or the resource that it refers to [default:
    /// those of type Custom::ECSTask, those that import ecs-tasks-FunctionArn, and hooks whose HookDetails have
    /// an ECSTask]
    #[arg(long, value_name = "TOKEN")]
    service_token: Option<String>,
    /// A parameter's new value: updates the stack with all of these after it has been created.
    #[arg(long = "update", short, value_name = "NAME=VALUE", value_parser = assignment)]
    updates: Vec<(String, String)>,
    /// The next version of the template: updates the stack to it after it has been created.
    #[arg(long, value_name = "FILE")]
    update_template: Option<PathBuf>,
    /// Deploy this service after the create, as a pipeline does with UpdateService: its lifecycle hooks run.
    /// With a FILE its task definition is registered first, as describe-task-definition prints it. Can be
    /// given again.
    #[arg(long, value_name = "LOGICALID[=FILE]", value_parser = deploy)]
    deploy: Vec<(String, Option<PathBuf>)>,
    /// Let this resource fail, in the update if there is one, else in the create, after everything that does
    /// not depend on it: to see the rollback, which should then succeed.
    #[arg(long, value_name = "LOGICALID")]
    fail: Option<String>,
    /// Let each stack operation be one with DisableRollback: what fails stays as it is, CREATE_FAILED or
    /// UPDATE_FAILED, and the next operation meets it.
    #[arg(long)]
    disable_rollback: bool,
    /// Let each stack operation be one in EXPRESS mode, which switches rollback off. AWS does not document
    /// whether EXPRESS waits for a custom resource's answer: the rehearsal waits.
    #[arg(long)]
    express: bool,
    /// Show the stack's final states, failures, and what concerns the rehearsed resources alone.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Send recorded events to the monitor: files with one event as JSON, a list, or one a line. Without a
    /// file those of the template's tasks, and what the function measures of its runs is shown, too.
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
    /// A stoppedReason that is nobody's problem, in place of the default ones; * stands for any text. Can be
    /// given again.
    #[arg(long, value_name = "PATTERN", requires = "events")]
    ignore: Vec<String>,
    /// Run containers from their images, on the container engine (Docker, Podman) that DOCKER_HOST or its
    /// usual socket leads to; else they are local processes.
    #[arg(long)]
    docker: bool,
    /// Play the function without its ledger: it waits for a task by looking at it every few seconds.
    #[arg(long)]
    no_ledger: bool,
    /// Show what the functions log, too.
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
    #[error("--events needs a file of events, or a template whose tasks make some")]
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
    #[error("interrupted; what ran has been killed")]
    Interrupted,
    #[error("the stage cannot open a port on loopback: {0}")]
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
