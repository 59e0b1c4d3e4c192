//! `Service`: the placement that a run copies from a service in the same cluster.
//!
//! Pure. A migration nearly always needs the network of the service that it prepares. Without this
//! property a template would repeat that network.

use super::{
    Properties,
    run_task::{AwsVpcConfiguration, CapacityProviderStrategyItem, NetworkConfiguration},
};

/// The placement of a service's tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServicePlacement {
    /// Its subnets, security groups and public address.
    pub network: Option<AwsVpcConfiguration>,
    /// Its Fargate platform version.
    pub platform_version: Option<String>,
    /// Its capacity providers, in place of a launch type.
    pub capacity_provider_strategy: Option<Vec<CapacityProviderStrategyItem>>,
    /// Its launch type.
    pub launch_type: Option<String>,
}

impl Properties {
    /// Copies from the service each member that the properties lack: security groups in the
    /// properties stay if only the subnets are missing. StartTask gets the network alone, because
    /// it has no other of these parameters.
    #[must_use]
    pub fn placed_as(mut self, service: ServicePlacement) -> Self {
        let given = self
            .network_configuration
            .take()
            .map(|network| network.awsvpc_configuration);
        let network = match (given, service.network) {
            (Some(given), Some(service)) => Some(AwsVpcConfiguration {
                subnets: given.subnets.or(service.subnets),
                security_groups: given.security_groups.or(service.security_groups),
                assign_public_ip: given.assign_public_ip.or(service.assign_public_ip),
            }),
            (given, service) => given.or(service),
        };
        self.network_configuration = network.map(|awsvpc_configuration| NetworkConfiguration {
            awsvpc_configuration,
        });
        if self.instances().is_some() {
            return self;
        }
        // RunTask refuses a launch type together with capacity providers, so either one in the
        // template replaces both.
        if self.launch_type.is_none() && self.capacity_provider_strategy.is_none() {
            self.capacity_provider_strategy = service.capacity_provider_strategy;
            if self.capacity_provider_strategy.is_none() {
                self.launch_type = service.launch_type;
            }
        }
        // Only Fargate has platform versions.
        if self.runs_on_fargate() {
            self.platform_version = self.platform_version.or(service.platform_version);
        }
        self
    }

    fn runs_on_fargate(&self) -> bool {
        match (&self.launch_type, &self.capacity_provider_strategy) {
            (Some(launch_type), _) => launch_type == "FARGATE",
            (None, Some(strategy)) => strategy
                .iter()
                .all(|item| item.capacity_provider.starts_with("FARGATE")),
            (None, None) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service() -> ServicePlacement {
        let texts = |texts: &[&str]| {
            Some(
                texts
                    .iter()
                    .map(|text| (*text).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        ServicePlacement {
            network: Some(AwsVpcConfiguration {
                subnets: texts(&["subnet-s"]),
                security_groups: texts(&["sg-s"]),
                assign_public_ip: Some("DISABLED".to_owned()),
            }),
            platform_version: Some("1.4.0".to_owned()),
            capacity_provider_strategy: None,
            launch_type: Some("FARGATE".to_owned()),
        }
    }

    fn placed(more: Value, service: ServicePlacement) -> Properties {
        let mut properties = json!({"ServiceToken": "x", "Cluster": "prod", "TaskDefinition": "app", "Service": "web"});
        properties
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Properties::read(&properties).unwrap().placed_as(service)
    }

    fn network(properties: &Properties) -> AwsVpcConfiguration {
        properties
            .network_configuration
            .clone()
            .unwrap()
            .awsvpc_configuration
    }

    #[test]
    fn what_is_not_given_is_the_services() {
        let properties = placed(json!({}), service());
        assert!(network(&properties) == service().network.unwrap());
        assert_eq!(properties.platform_version.as_deref(), Some("1.4.0"));
        assert_eq!(properties.launch_type.as_deref(), Some("FARGATE"));
    }

    #[test]
    fn security_groups_that_are_given_stay_when_only_the_subnets_are_missing() {
        let given = json!({"NetworkConfiguration": {"awsvpcConfiguration": {"securityGroups": ["sg-own"]}}});
        let network = network(&placed(given, service()));
        assert_eq!(
            (network.subnets.unwrap(), network.security_groups.unwrap()),
            (vec!["subnet-s".to_owned()], vec!["sg-own".to_owned()])
        );
        assert_eq!(network.assign_public_ip.as_deref(), Some("DISABLED"));
    }

    #[test]
    fn a_launch_type_and_a_strategy_are_never_mixed() {
        let item = CapacityProviderStrategyItem {
            capacity_provider: "FARGATE_SPOT".to_owned(),
            weight: Some(1),
            base: None,
        };
        let with_strategy = ServicePlacement {
            capacity_provider_strategy: Some(vec![item]),
            launch_type: None,
            ..service()
        };
        let properties = placed(json!({"LaunchType": "FARGATE"}), with_strategy.clone());
        assert!(properties.capacity_provider_strategy.is_none());
        let properties = placed(json!({}), with_strategy);
        assert!(
            properties.capacity_provider_strategy.is_some() && properties.launch_type.is_none()
        );
        let own = json!({"CapacityProviderStrategy": [{"capacityProvider": "OWN"}]});
        let properties = placed(own, service());
        assert_eq!(
            properties.capacity_provider_strategy.unwrap()[0].capacity_provider,
            "OWN"
        );
        assert_eq!(
            (properties.launch_type, properties.platform_version),
            (None, None)
        );
    }

    #[test]
    fn instances_take_the_network_alone() {
        let properties = placed(json!({"Instances": ["i"]}), service());
        assert!(properties.network_configuration.is_some());
        assert_eq!(
            (properties.platform_version, properties.launch_type),
            (None, None)
        );
    }

    #[test]
    fn a_service_without_a_network_changes_nothing_of_it() {
        assert!(
            placed(json!({}), ServicePlacement::default())
                .network_configuration
                .is_none()
        );
    }
}
