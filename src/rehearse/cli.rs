//! The command line of `rehearse`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;

use super::{
    console::Console,
    lambda::Function,
    now,
    stack::{Parameters, Stack},
    stage::{Config, Pace, Stage},
    template::{Template, TemplateError},
};

/// How often a long silence is broken.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Lives through the whole life of a template's Custom::ECSTask resources on this machine, without an AWS account:
/// create, update, delete, with the real function, and with containers as local processes.
///
/// Exit status: 0 if every step ended in COMPLETE, 1 if not, 2 for a bad template or parameter.
#[derive(Debug, Parser)]
#[command(name = "rehearse", version)]
pub struct Arguments {
    /// The template: YAML, short forms included, or JSON.
    template: PathBuf,
    /// A parameter's value. Can be given again.
    #[arg(long = "parameter", short, value_name = "NAME=VALUE", value_parser = assignment)]
    parameters: Vec<(String, String)>,
    /// A parameter's new value: updates the stack with all of these after it has been created.
    #[arg(long = "update", short, value_name = "NAME=VALUE", value_parser = assignment)]
    updates: Vec<(String, String)>,
    /// Show what the function logs, too.
    #[arg(long, short)]
    verbose: bool,
    /// The function's time limit, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=900))]
    lambda_timeout: u64,
    /// The function's binary [default: ecs_tasks beside this program]
    #[arg(long, value_name = "PATH")]
    function: Option<PathBuf>,
}

/// What cannot be rehearsed.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{}", shown(path, errors))]
    Template { path: PathBuf, errors: Vec<TemplateError> },
    #[error("there is no function at {}: build it with `cargo build --bin ecs_tasks`, or name it with --function", .0.display())]
    NoFunction(PathBuf),
    #[error("interrupted; what ran has been killed")]
    Interrupted,
    #[error("the stage cannot open a port on loopback: {0}")]
    NoStage(std::io::Error),
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
        let unfits = |errors| Unfit::Template { path: self.template.clone(), errors };
        let unfit = |error| unfits(vec![error]);
        let unreadable = |error| Unfit::Unreadable { path: self.template.clone(), error };
        let text = std::fs::read_to_string(&self.template).map_err(unreadable)?;
        let template = Template::read(&text).map_err(unfit)?;
        let created: BTreeMap<String, String> = self.parameters.iter().cloned().collect();
        let updated: BTreeMap<String, String> = created.clone().into_iter().chain(self.updates.clone()).collect();
        let created = template.parameter_values(&created).map_err(unfit)?;
        let updated = template.parameter_values(&updated).map_err(unfit)?;
        let function = self.function()?;

        let name = stack_name(&self.template);
        let names: Vec<String> = template.resources.iter().map(|resource| resource.logical_id.clone()).collect();
        let console = Console::new(self.verbose, names.iter().map(String::as_str).chain([name.as_str()]));
        let stage = Stage::open(self.config(function), console.reporter()).await.map_err(Unfit::NoStage)?;
        let mut stack = Stack::new(stage.clone(), template, &name, console.events());
        stack.check(&created).and_then(|()| stack.check(&updated)).map_err(unfits)?;

        let began = now();
        let living = live(&mut stack, &created, (!self.updates.is_empty()).then_some(&updated));
        let steps = tokio::select! {
            steps = living => steps,
            () = signs_of_life(&console) => Vec::new(),
            _ = tokio::signal::ctrl_c() => {
                // Containers are process groups of their own: without this they would live on.
                stage.close();
                return Err(Unfit::Interrupted);
            }
        };
        console.summary(&steps, (now() - began).as_seconds_f64(), &stage);
        stage.close();
        Ok(steps.iter().all(|(_, ended_well)| *ended_well))
    }

    fn config(&self, function: PathBuf) -> Config {
        Config {
            runner: Function {
                timeout: Duration::from_secs(self.lambda_timeout),
                environment: vec![("LOG_LEVEL".to_owned(), if self.verbose { "DEBUG" } else { "INFO" }.to_owned())],
                ..Function::runner(function)
            },
            pace: Pace {
                start: Duration::from_millis(100),
                deprovision: Duration::from_millis(500),
                retries: [Duration::from_secs(2), Duration::from_secs(4)],
            },
        }
    }

    fn function(&self) -> Result<PathBuf, Unfit> {
        let beside = || std::env::current_exe().map(|program| program.with_file_name("ecs_tasks")).unwrap_or_default();
        let function = self.function.clone().unwrap_or_else(beside);
        if function.is_file() { Ok(function) } else { Err(Unfit::NoFunction(function)) }
    }
}

async fn live(stack: &mut Stack, created: &Parameters, updated: Option<&Parameters>) -> Vec<(&'static str, bool)> {
    let mut steps = vec![("create", stack.create(created).await)];
    if let Some(updated) = updated.filter(|_| steps[0].1) {
        steps.push(("update", stack.update(updated).await));
    }
    steps.push(("delete", stack.delete().await));
    steps
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
    let name: String = stem.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
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
