//! A rehearsal: the template, the values around it, and the operations to come.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use super::{Arguments, Unfit};
use crate::{
    console::Console,
    stack::{Account, Stack},
    stage::Stage,
    template::{
        Parameters, Template, TemplateError, TemplateErrors,
        external::{External, Origin},
    },
};
use ecs_tasks::task::definition_name;

/// The limits of simulating EXPRESS mode.
const EXPRESS: &str = "EXPRESS mode: rollback is off, and CloudFormation counts a resource as complete before \
                       it is ready, so roles, policies and routes may come later than here. AWS does not \
                       document whether EXPRESS waits for a custom resource's answer; the rehearsal waits";

/// The rehearsal that the command line asks for.
pub(super) struct Rehearsal {
    created: Version,
    updated: Option<Version>,
    account: Account,
    /// The files that --task-definition names.
    definition_files: Vec<PathBuf>,
    is_express: bool,
    deploys: Vec<Deploy>,
}

/// A service that a pipeline deploys, with a new revision of its task definition or without.
pub(super) type Deploy = (String, Option<Value>);

/// A template with the values of its parameters.
struct Version {
    path: PathBuf,
    template: Template,
    parameters: Parameters,
}

/// A checked stack on a stage, and the operations to come.
pub(super) struct Planned {
    pub(super) stack: Stack,
    pub(super) created: Parameters,
    pub(super) deploys: Vec<Deploy>,
    pub(super) updated: Option<(Template, Parameters)>,
    /// True if a resource is to fail.
    pub(super) fails: bool,
    /// True if a failed operation is not rolled back.
    pub(super) keeps_failures: bool,
}

impl Rehearsal {
    pub(super) fn read(arguments: &Arguments, path: &Path) -> Result<Self, Unfit> {
        let [exports, ssm] =
            [&arguments.imports, &arguments.ssm].map(|pairs| pairs.iter().cloned().collect());
        let external = Arc::new(External::of(exports, ssm));
        let given: BTreeMap<String, String> = arguments.parameters.iter().cloned().collect();
        let changes: BTreeMap<String, String> = arguments.updates.iter().cloned().collect();
        let created = Version::read(path, &given, &BTreeMap::new(), &external);
        let next = arguments.update_template.as_deref();
        let is_updated = next.is_some() || !changes.is_empty();
        let updated =
            is_updated.then(|| Version::read(next.unwrap_or(path), &given, &changes, &external));
        let (created, updated) = match (created, updated.transpose()) {
            (Ok(created), Ok(updated)) => (created, updated),
            (Err(Unfit::Templates(mut errors)), Err(Unfit::Templates(more))) => {
                // Both versions often have the same mistake: it is named once.
                errors.extend(
                    more.into_iter()
                        .filter_map(|(path, more)| {
                            let known =
                                |error| errors.iter().any(|(_, known)| known.0.contains(error));
                            let new: Vec<_> = more
                                .0
                                .iter()
                                .filter(|error| !known(error))
                                .cloned()
                                .collect();
                            (!new.is_empty()).then_some((path, TemplateErrors(new)))
                        })
                        .collect::<Vec<_>>(),
                );
                return Err(Unfit::Templates(errors));
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        let definitions = arguments
            .task_definitions
            .iter()
            .map(|path| definition(path))
            .collect::<Result<_, _>>()?;
        let deploy = |(service, file): &(String, Option<PathBuf>)| {
            let definition = file.as_deref().map(definition).transpose()?;
            Ok::<Deploy, Unfit>((service.clone(), definition))
        };
        let deploys = arguments.deploy.iter().map(deploy);
        let deploys = deploys.collect::<Result<_, _>>()?;
        let account = Account {
            external,
            service_token: arguments.service_token.clone(),
            definitions,
            fail: arguments.fail.clone(),
            keeps_failures: arguments.disable_rollback || arguments.express,
        };
        let definition_files = arguments.task_definitions.clone();
        Ok(Self {
            created,
            updated,
            account,
            definition_files,
            is_express: arguments.express,
            deploys,
        })
    }

    /// The logical ids and the stack's name, which set the width of a column.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let versions = [Some(&self.created), self.updated.as_ref()]
            .into_iter()
            .flatten();
        let resources = versions.flat_map(|version| &version.template.resources);
        let ids = resources.map(|resource| resource.logical_id.clone());
        ids.chain([stack_name(&self.created.path)]).collect()
    }

    /// Checks both versions on the stage and plans the operations. `Err` names every mistake at
    /// once.
    pub(super) fn on(self, stage: &Arc<Stage>, console: &Console) -> Result<Planned, Unfit> {
        let Self {
            created,
            updated,
            account,
            definition_files,
            is_express,
            deploys,
        } = self;
        let given = account.definitions.clone();
        // Resources refer to a definition of --task-definition, so it must be there before they are
        // checked.
        for (given, path) in account.definitions.iter().zip(definition_files) {
            stage
                .ecs
                .register_given(given)
                .map_err(|problem| Unfit::Definition { path, problem })?;
        }
        let mut template_notes = created.template.notes.clone();
        let more = updated.iter().flat_map(|version| &version.template.notes);
        template_notes.extend(
            more.filter(|note| !created.template.notes.contains(note))
                .cloned(),
        );
        let (external, fails) = (Arc::clone(&account.external), account.fail.is_some());
        let name = stack_name(&created.path);
        let stack = |version: Template, account: Account| {
            Stack::new(Arc::clone(stage), version, &name, console.events()).within(account)
        };
        let of_create = Account {
            fail: None,
            ..account.clone()
        };
        let first = if updated.is_some() {
            of_create
        } else {
            account.clone()
        };
        let mut first = stack(created.template, first);
        let mut errors: Vec<(PathBuf, TemplateErrors)> = Vec::new();
        errors.extend(
            first
                .check(&created.parameters)
                .err()
                .map(|errors| (created.path.clone(), errors)),
        );
        for (service, definition) in &deploys {
            let checked = first.check_deploy(service, definition.as_ref(), &created.parameters);
            errors.extend(checked.err().map(|error| (created.path.clone(), error)));
        }
        let mut nothing = first.nothing_to_rehearse(&created.parameters);
        let mut hints = first.hints(&created.parameters);
        let mut next = None;
        if let Some(Version {
            path,
            template,
            parameters,
        }) = updated
        {
            let second = stack(template, account.clone());
            let checked = second.check(&parameters);
            let types = first.check_types(&second, [&created.parameters, &parameters]);
            let mut more = TemplateErrors::default();
            more.take(checked);
            more.take(types);
            if more != TemplateErrors::default() {
                more.0
                    .retain(|error| !errors.iter().any(|(_, known)| known.0.contains(error)));
                if !more.0.is_empty() {
                    errors.push((path, more));
                }
            }
            hints.extend(second.hints(&parameters));
            nothing = nothing.and(second.nothing_to_rehearse(&parameters));
            next = Some((second.into_template(), parameters));
        }
        if !errors.is_empty() {
            return Err(Unfit::Templates(errors));
        }
        if let Some(problem) = nothing {
            return Err(Unfit::Nothing {
                path: created.path,
                problem,
            });
        }
        let unused = unused(&external, &given, stage);
        if !unused.is_empty() {
            return Err(Unfit::Templates(vec![(
                created.path,
                TemplateErrors(unused),
            )]));
        }
        if is_express {
            console.note(EXPRESS);
        }
        let keeps_failures = account.keeps_failures;
        first = first.within(account);
        hints.sort();
        hints.dedup();
        let notes = template_notes
            .into_iter()
            .chain(hints)
            .chain(external.notes());
        for note in notes {
            console.note(&note);
        }
        Ok(Planned {
            stack: first,
            created: created.parameters,
            deploys,
            updated: next,
            fails,
            keeps_failures,
        })
    }
}

impl Version {
    /// Reads a version. It must have every parameter in `changes`; it may lack others in `given`.
    fn read(
        path: &Path,
        given: &BTreeMap<String, String>,
        changes: &BTreeMap<String, String>,
        external: &External,
    ) -> Result<Self, Unfit> {
        let unreadable = |error| Unfit::Unreadable {
            path: path.to_owned(),
            error,
        };
        let unfit = |errors: TemplateErrors| Unfit::Templates(vec![(path.to_owned(), errors)]);
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mut values = given.clone();
        values.extend(changes.clone());
        let template = Template::read_given(&text, &values, external).map_err(unfit)?;
        // The next version may have dropped a parameter that the create still needs.
        if !changes.is_empty() {
            values.retain(|name, _| {
                template.parameters.contains_key(name) || changes.contains_key(name)
            });
        }
        match template.parameter_values(&values, external) {
            Ok(parameters) => Ok(Self {
                path: path.to_owned(),
                template,
                parameters,
            }),
            Err(mut errors) => {
                // Missing values must not hide mistyped names: all mistakes are named at once.
                template
                    .unknown_names()
                    .0
                    .into_iter()
                    .for_each(|error| errors.add(error));
                Err(unfit(errors))
            }
        }
    }
}

/// An error for each option that neither version of the template uses.
fn unused(external: &External, definitions: &[Value], stage: &Stage) -> Vec<TemplateError> {
    let asked = external.asked(Origin::Definition);
    let is_asked = |one: &&Value| {
        let arn = one["taskDefinitionArn"].as_str().unwrap_or_default();
        // Nobody can know a made-up name, so a single definition is used for it.
        let is_alone = definitions.len() == 1 && asked.iter().any(|name| external.is_made_up(name));
        is_alone || asked.iter().any(|name| stage.ecs.is_definition(name, arn))
    };
    let unasked = definitions.iter().filter(|one| !is_asked(one));
    let unasked = unasked.map(|one| {
        let name = definition_name(one["taskDefinitionArn"].as_str().unwrap_or_default());
        external.not_asked(Origin::Definition, name)
    });
    external.unused().into_iter().chain(unasked).collect()
}

/// Reads a task definition, as DescribeTaskDefinition returns it, from a file.
fn definition(path: &Path) -> Result<Value, Unfit> {
    let unreadable = |error| Unfit::Unreadable {
        path: path.to_owned(),
        error,
    };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mut json: Value = serde_json::from_str(&text).unwrap_or_default();
    // The CLI wraps the definition in `taskDefinition`; a file written by hand often does not.
    let definition = match json["taskDefinition"].is_object() {
        true => json["taskDefinition"].take(),
        false => json,
    };
    if !definition["containerDefinitions"].is_array() {
        let problem =
            "it contains no task definition: pass the output of `aws ecs describe-task-definition`";
        return Err(Unfit::Definition {
            path: path.to_owned(),
            problem: problem.to_owned(),
        });
    }
    Ok(definition)
}

/// The template's file name, changed into letters, digits and hyphens.
fn stack_name(template: &Path) -> String {
    let stem = template
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name: String = stem
        .chars()
        .map(|char| {
            if char.is_ascii_alphanumeric() {
                char
            } else {
                '-'
            }
        })
        .collect();
    // CloudFormation wants a letter first in a stack's name.
    if name.starts_with(|char: char| char.is_ascii_alphabetic()) {
        name
    } else {
        format!("stack-{name}")
    }
}
