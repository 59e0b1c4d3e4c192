//! Service revisions: the record that ECS makes of a service with each deployment.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-revision.html>

use serde_json::{Value, json};

use super::{
    Ecs, Revision, State, deployment::Deployment, hook::Hook, placed, placement, short, spelling,
    task::seconds,
};
use crate::{
    config::{arn, now, random_hex},
    protocol::{AwsError, lock},
};

/// Members of a service whose change starts a deployment.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html>
const DEPLOYED: [&str; 9] = [
    "forceNewDeployment",
    "loadBalancers",
    "networkConfiguration",
    "platformVersion",
    "serviceConnectConfiguration",
    "serviceRegistries",
    "taskDefinition",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];
/// The id before that of the first revision. Each revision has a higher one.
const FIRST_ID: u64 = 4_980_306_466_373_577_000;
/// The platform version that LATEST stands for.
const PLATFORM_VERSION: &str = "1.4.0";

/// A revision of a service.
pub(super) struct ServiceRevision {
    /// The JSON of DescribeServiceRevisions.
    json: Value,
    /// The service as it was wanted, in ECS's spelling.
    said: Value,
    /// True once its deployment has failed.
    is_rolled_back: bool,
}

impl Ecs {
    /// Creates a service, or updates it. Returns its ARN, and the deployment that ECS starts;
    /// `None` if nothing differs that a deployment brings about.
    pub fn deploy(
        &self,
        cluster: &str,
        name: &str,
        service: &Value,
    ) -> (String, Option<Deployment>) {
        let cluster = short(cluster);
        let arn = arn("ecs", &format!("service/{cluster}/{name}"));
        let mut said = spelling::normal(service, "");
        let controller = said["deploymentController"]["type"].clone();
        let mut json = placed(&said);
        // With an EXTERNAL controller the task sets say where tasks run, not the service.
        if controller == "EXTERNAL" {
            json["taskSets"] = json!([]);
        }
        json["serviceArn"] = arn.as_str().into();
        json["serviceName"] = name.into();
        json["status"] = "ACTIVE".into();
        let mut state = lock(&self.inner.state);
        let key = (cluster.to_owned(), name.to_owned());
        let before = state.services.insert(key, json);
        // Other controllers have no service revisions and no hooks.
        if !controller.is_null() && controller != "ECS" {
            return (arn, None);
        }
        // A family is deployed as its newest revision.
        if let Ok(definition) =
            state.definition(said["taskDefinition"].as_str().unwrap_or_default())
        {
            said["taskDefinition"] = definition.arn.as_str().into();
        }
        if let Some(current) = state.current_revision(&arn)
            && before.is_some()
            && !starts_deployment(&current.said, &said)
        {
            current.said = said;
            return (arn, None);
        }
        let deployment = state.deployment(cluster, &arn, said, before);
        (arn, Some(deployment))
    }

    /// Starts a deployment of a service as UpdateService with forceNewDeployment does, with another
    /// task definition if one is given. `None` if ECS has no such service.
    pub fn redeploy(&self, service: &str, definition: Option<&str>) -> Option<Deployment> {
        let mut state = lock(&self.inner.state);
        let (key, before) = state
            .services
            .iter()
            .find(|(_, known)| known["serviceArn"] == service)?;
        let (cluster, before) = (key.0.clone(), before.clone());
        let mut said = state.current_revision(service)?.said.clone();
        if let Some(definition) = definition {
            said["taskDefinition"] = definition.into();
        }
        Some(state.deployment(&cluster, service, said, Some(before)))
    }

    /// Takes a service back to where it was before a deployment.
    pub(super) fn roll_back(&self, deployment: Deployment) {
        let mut state = lock(&self.inner.state);
        let failed = |one: &&mut ServiceRevision| {
            one.json["serviceRevisionArn"] == deployment.revision_arn.as_str()
        };
        if let Some(revision) = state.revisions.iter_mut().find(failed) {
            revision.is_rolled_back = true;
        }
        let is_it = |service: &Value| service["serviceArn"] == deployment.service_arn.as_str();
        match deployment.before {
            Some(before) => {
                let deployed = state.services.values_mut().find(|service| is_it(service));
                deployed.into_iter().for_each(|one| *one = before.clone());
            }
            None => state.services.retain(|_, service| !is_it(service)),
        }
    }
}

impl State {
    /// The revision that a service runs.
    fn current_revision(&mut self, service: &str) -> Option<&mut ServiceRevision> {
        let is_its =
            |one: &&mut ServiceRevision| one.json["serviceArn"] == service && !one.is_rolled_back;
        self.revisions.iter_mut().rev().find(is_its)
    }

    /// Makes a revision of a service, and its deployment.
    fn deployment(
        &mut self,
        cluster: &str,
        service: &str,
        said: Value,
        before: Option<Value>,
    ) -> Deployment {
        let of_service = service.split(":service/").last().unwrap_or_default();
        let id = FIRST_ID + self.revisions.len() as u64 + 1;
        let revision_arn = arn("ecs", &format!("service-revision/{of_service}/{id}"));
        let mut json = self.described_revision(cluster, &said);
        json["serviceRevisionArn"] = revision_arn.as_str().into();
        json["serviceArn"] = service.into();
        let hooks = Hook::all_of(&said);
        self.revisions.push(ServiceRevision {
            json,
            said,
            is_rolled_back: false,
        });
        let id = random_hex(22);
        Deployment {
            arn: arn("ecs", &format!("service-deployment/{of_service}/{id}")),
            service_arn: service.to_owned(),
            revision_arn,
            hooks,
            before,
        }
    }

    fn described_revision(&self, cluster: &str, said: &Value) -> Value {
        let mut json = placed(said);
        let known = self.clusters.get(cluster).cloned().unwrap_or_default();
        let launch_type = placement::launch_type_of(said, &known);
        if launch_type == Some("FARGATE") {
            let given = said["platformVersion"].as_str();
            let given = given.filter(|given| *given != "LATEST");
            json["platformVersion"] = given.unwrap_or(PLATFORM_VERSION).into();
        }
        if json["capacityProviderStrategy"].is_null()
            && let Some(launch_type) = launch_type
        {
            json["launchType"] = launch_type.into();
        }
        let definition = said["taskDefinition"].as_str().unwrap_or_default();
        json["clusterArn"] = arn("ecs", &format!("cluster/{cluster}")).into();
        json["taskDefinition"] = definition.into();
        json["containerImages"] = self.definition(definition).map_or(json!([]), images);
        json["createdAt"] = seconds(now());
        json
    }

    pub(super) fn describe_service_revisions(&self, body: &Value) -> Result<Value, AwsError> {
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for asked in body["serviceRevisionArns"].as_array().into_iter().flatten() {
            let is_it = |one: &&ServiceRevision| one.json["serviceRevisionArn"] == *asked;
            match self.revisions.iter().find(is_it) {
                Some(revision) => found.push(revision.json.clone()),
                None => failures.push(json!({ "arn": asked, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "serviceRevisions": found, "failures": failures }))
    }
}

fn images(definition: &Revision) -> Value {
    let image = |container: &super::ContainerSpec| json!({ "containerName": container.name, "image": container.image });
    definition.containers.iter().map(image).collect()
}

/// True if ECS starts a deployment for an update of a service.
fn starts_deployment(old: &Value, new: &Value) -> bool {
    DEPLOYED.iter().any(|name| old[*name] != new[*name])
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::{super::Engine, *};
    use crate::{config::Pace, report::Report};

    fn ecs() -> Ecs {
        let pace = Pace {
            start: Duration::ZERO,
            deprovision: Duration::ZERO,
            retries: [Duration::ZERO; 2],
        };
        let reporter = Arc::new(|_: Report| {});
        Ecs::new(Engine::default(), pace, Arc::default(), reporter, None)
    }

    #[test]
    fn each_deployment_has_a_revision_with_a_higher_id() {
        let ecs = ecs();
        let service = json!({"TaskDefinition": "a:1", "LaunchType": "FARGATE"});
        let first = ecs.deploy("prod", "web", &service).1.unwrap().revision_arn;
        let service = arn("ecs", "service/prod/web");
        let second = ecs.redeploy(&service, Some("a:2")).unwrap().revision_arn;
        let id = |arn: &str| arn.rsplit('/').next().unwrap().parse::<u64>().unwrap();
        assert!(id(&first) < id(&second), "{first} {second}");
        let unknown = arn("ecs", "service-revision/prod/web/1");
        let asked = json!({"serviceRevisionArns": [first, second, unknown]});
        let answer = ecs.call("DescribeServiceRevisions", &asked).unwrap();
        let of = |index: usize, name: &str| answer["serviceRevisions"][index][name].clone();
        assert_eq!(
            [of(0, "taskDefinition"), of(1, "taskDefinition")],
            ["a:1", "a:2"]
        );
        assert_eq!(
            [of(0, "serviceArn"), of(1, "serviceRevisionArn")],
            [service, second]
        );
        assert_eq!(
            [of(1, "launchType"), of(1, "platformVersion")],
            ["FARGATE", "1.4.0"]
        );
        let failure = json!([{"arn": unknown, "reason": "MISSING"}]);
        assert_eq!(answer["failures"], failure);
    }

    #[test]
    fn a_service_that_is_rolled_back_is_as_before() {
        let ecs = ecs();
        let deploy = |version: &str| ecs.deploy("prod", "web", &json!({"taskDefinition": version}));
        ecs.roll_back(deploy("a:1").1.unwrap());
        assert!(!ecs.has_service("prod", "web"));
        assert!(deploy("a:1").1.is_some());
        assert!(deploy("a:1").1.is_none());
        ecs.roll_back(deploy("a:2").1.unwrap());
        assert!(deploy("a:1").1.is_none());
        assert!(deploy("a:2").1.is_some());
    }

    #[track_caller]
    fn check(old: Value, new: Value, starts: bool) {
        assert_eq!(starts_deployment(&old, &new), starts, "{old} {new}");
    }

    #[test]
    fn a_change_of_what_the_tasks_are_starts_a_deployment() {
        check(
            json!({"taskDefinition": "a:1"}),
            json!({"taskDefinition": "a:2"}),
            true,
        );
        check(json!({}), json!({"platformVersion": "1.4.0"}), true);
        let subnets =
            |id: &str| json!({"networkConfiguration": {"awsvpcConfiguration": {"subnets": [id]}}});
        check(subnets("a"), subnets("b"), true);
        check(subnets("a"), subnets("a"), false);
        let nonce = |nonce: &str| json!({"forceNewDeployment": {"forceNewDeploymentNonce": nonce}});
        check(nonce("1"), nonce("2"), true);
    }

    #[test]
    fn a_change_of_count_tags_or_hooks_starts_none() {
        check(
            json!({"desiredCount": "1"}),
            json!({"desiredCount": "2"}),
            false,
        );
        check(
            json!({}),
            json!({"tags": [{"key": "a", "value": "b"}]}),
            false,
        );
        let hooks = json!({"deploymentConfiguration": {"lifecycleHooks": []}});
        check(json!({}), hooks, false);
        let strategy = json!({"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]});
        check(json!({}), strategy, false);
    }
}
