//! Values of Ref and Fn::GetAtt for resources that the stage does not play: given names as they
//! are, everything else made up in the shape that the type has.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{placeholders, referable::Referable};
use crate::config::{ACCOUNT, REGION, arn};

/// The form of a type's Ref.
#[derive(Clone, Copy)]
enum RefShape {
    /// Its name, which this property may give.
    Name(&'static str),
    /// An ARN of this service, with this before its name.
    Arn(&'static str, &'static str),
    /// An id with this prefix.
    Id(&'static str),
    /// Ten letters and digits, as API Gateway has them.
    Short,
}

use RefShape::{Arn, Id, Name, Short};

/// Types whose Ref is not a generated name, or whose name a property gives.
const TYPES: [(&str, RefShape); 50] = [
    ("AWS::ApiGateway::RestApi", Short),
    ("AWS::ApiGatewayV2::Api", Short),
    ("AWS::AppSync::ApiKey", Arn("appsync", "")),
    ("AWS::AppSync::GraphQLApi", Arn("appsync", "apis/")),
    (
        "AWS::ApplicationAutoScaling::ScalableTarget",
        Arn("application-autoscaling", "scalable-target/"),
    ),
    (
        "AWS::AutoScaling::AutoScalingGroup",
        Name("AutoScalingGroupName"),
    ),
    (
        "AWS::CertificateManager::Certificate",
        Arn("acm", "certificate/"),
    ),
    (
        "AWS::CloudFormation::Stack",
        Arn("cloudformation", "stack/"),
    ),
    ("AWS::CloudWatch::Alarm", Name("AlarmName")),
    ("AWS::CodeBuild::Project", Name("Name")),
    ("AWS::DynamoDB::Table", Name("TableName")),
    ("AWS::EC2::EIP", Id("eipalloc")),
    ("AWS::EC2::Instance", Id("i")),
    ("AWS::EC2::InternetGateway", Id("igw")),
    ("AWS::EC2::LaunchTemplate", Id("lt")),
    ("AWS::EC2::NatGateway", Id("nat")),
    ("AWS::EC2::NetworkAcl", Id("acl")),
    ("AWS::EC2::RouteTable", Id("rtb")),
    ("AWS::EC2::SecurityGroup", Id("sg")),
    ("AWS::EC2::Subnet", Id("subnet")),
    ("AWS::EC2::VPC", Id("vpc")),
    ("AWS::EC2::VPCEndpoint", Id("vpce")),
    ("AWS::ECR::Repository", Name("RepositoryName")),
    ("AWS::ECS::CapacityProvider", Name("Name")),
    ("AWS::EFS::AccessPoint", Id("fsap")),
    ("AWS::EFS::FileSystem", Id("fs")),
    ("AWS::EFS::MountTarget", Id("fsmt")),
    (
        "AWS::ElastiCache::ReplicationGroup",
        Name("ReplicationGroupId"),
    ),
    (
        "AWS::ElasticLoadBalancingV2::Listener",
        Arn("elasticloadbalancing", "listener/app/"),
    ),
    (
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        Arn("elasticloadbalancing", "listener-rule/app/"),
    ),
    (
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Arn("elasticloadbalancing", "loadbalancer/app/"),
    ),
    (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        Arn("elasticloadbalancing", "targetgroup/"),
    ),
    ("AWS::Events::Rule", Name("Name")),
    ("AWS::IAM::InstanceProfile", Name("InstanceProfileName")),
    ("AWS::IAM::ManagedPolicy", Arn("iam", "policy/")),
    ("AWS::IAM::Role", Name("RoleName")),
    ("AWS::KMS::Key", Name("")),
    ("AWS::Lambda::Alias", Arn("lambda", "function:")),
    ("AWS::Lambda::Function", Name("FunctionName")),
    ("AWS::Logs::LogGroup", Name("LogGroupName")),
    ("AWS::RDS::DBCluster", Name("DBClusterIdentifier")),
    ("AWS::RDS::DBInstance", Name("DBInstanceIdentifier")),
    ("AWS::RDS::DBSubnetGroup", Name("DBSubnetGroupName")),
    ("AWS::S3::Bucket", Name("BucketName")),
    (
        "AWS::SecretsManager::Secret",
        Arn("secretsmanager", "secret:"),
    ),
    ("AWS::Serverless::Function", Name("FunctionName")),
    ("AWS::ServiceDiscovery::PrivateDnsNamespace", Id("ns")),
    ("AWS::ServiceDiscovery::Service", Id("srv")),
    ("AWS::SNS::Topic", Arn("sns", "")),
    ("AWS::SSM::Parameter", Name("Name")),
];

/// Properties whose attribute of the same name differs.
const NOT_ATTRIBUTES: [&str; 2] = ["ServiceToken", "Tags"];

/// A resource of this type with the generated name `name`, unless `properties` give another.
pub fn referable(resource_type: &str, name: &str, properties: &Value) -> Referable {
    let shape = TYPES
        .iter()
        .find(|(known, _)| *known == resource_type)
        .map(|(_, shape)| *shape);
    let reference = match shape.unwrap_or(Name("")) {
        Name(property) => match properties[property].as_str() {
            Some(given) => given.to_owned(),
            // S3 accepts lower-case names only.
            None if resource_type == "AWS::S3::Bucket" => name.to_lowercase(),
            None => name.to_owned(),
        },
        Arn(service, before) => {
            let name = properties["Name"].as_str().unwrap_or(name);
            let after = match resource_type.rsplit("::").next().unwrap_or_default() {
                "LoadBalancer" | "TargetGroup" | "Listener" | "ListenerRule" => {
                    format!("{name}/{}", &placeholders::digits(name)[..16])
                }
                "Secret" => format!("{name}-{}", &placeholders::digits(name)[..6]),
                "Certificate" => placeholders::uuid(name),
                "GraphQLApi" => placeholders::digits(name)[..26].to_owned(),
                "ApiKey" => format!(
                    "apis/{}/apikey/da2-{}",
                    properties["ApiId"].as_str().unwrap_or_default(),
                    &placeholders::digits(name)[..26]
                ),
                "Stack" => format!("{name}/{}", placeholders::uuid(name)),
                _ => name.to_owned(),
            };
            match service {
                // IAM is global, so its ARNs name no Region.
                "iam" => format!("arn:aws:iam::{ACCOUNT}:{before}{after}"),
                _ => arn(service, &format!("{before}{after}")),
            }
        }
        Id(prefix) => placeholders::id(prefix, name),
        Short => placeholders::digits(name)[..10].to_owned(),
    };
    // The template itself gives an attribute with the name of a property, such as CidrBlock.
    let given = properties.as_object().into_iter().flatten();
    let given =
        given.filter(|(name, value)| !NOT_ATTRIBUTES.contains(&name.as_str()) && !value.is_null());
    let attributes = match resource_type.starts_with("AWS::") {
        true => given
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        false => BTreeMap::new(),
    };
    Referable {
        resource_type: resource_type.to_owned(),
        reference,
        is_open: true,
        attributes,
    }
}

/// A made-up value of an attribute.
pub(super) fn attribute(referable: &Referable, name: &str) -> Value {
    let Referable {
        resource_type,
        reference,
        ..
    } = referable;
    let kind = resource_type.rsplit("::").next().unwrap_or_default();
    let short = reference.rsplit([':', '/']).next().unwrap_or(reference);
    let full = || {
        reference
            .splitn(6, ':')
            .nth(5)
            .unwrap_or(reference)
            .replacen("loadbalancer/", "", 1)
    };
    match (kind, name) {
        (_, "Arn" | "TopicArn" | "LoadBalancerArn" | "TargetGroupArn" | "ListenerArn")
            if reference.starts_with("arn:") =>
        {
            json!(reference)
        }
        (_, "Arn") => json!(arn_of(resource_type, reference)),
        (_, "LoadBalancerFullName" | "TargetGroupFullName") => json!(full()),
        // An entry is a hosted zone's id, a colon and a name.
        ("VPCEndpoint", "DnsEntries") => {
            json!(
                [1, 2].map(|number| format!("Z0{number}:{reference}-{number}.vpce.amazonaws.com"))
            )
        }
        ("VPC", "CidrBlockAssociations") => {
            json!([1, 2].map(|number| format!("vpc-cidr-assoc-{number:017x}")))
        }
        (
            _,
            "NameServers"
            | "SecurityGroups"
            | "LoadBalancerArns"
            | "Ipv6CidrBlocks"
            | "CidrBlockAssociations"
            | "DnsEntries"
            | "DnsIpAddresses"
            | "EndpointIds"
            | "NetworkInterfaceIds",
        ) => {
            // A VPC can have a second block and a directory has two servers: Fn::Select must find
            // them.
            json!([1, 2].map(|number| placeholders::value(&format!("{reference}-{name}-{number}"))))
        }
        ("GraphQLApi", "ApiId") | ("ApiKey", "ApiKey" | "ApiKeyId") => json!(short),
        ("GraphQLApi", "GraphQLEndpointArn") => {
            json!(arn("appsync", &format!("endpoints/graphql-api/{short}")))
        }
        ("GraphQLApi", "GraphQLDns" | "GraphQLUrl" | "RealtimeDns" | "RealtimeUrl") => {
            let (scheme, own) = match name.starts_with("Realtime") {
                true => ("wss", "appsync-realtime-api"),
                false => ("https", "appsync-api"),
            };
            let host = format!("{short}.{own}.{REGION}.amazonaws.com");
            match name.ends_with("Url") {
                true => json!(format!("{scheme}://{host}/graphql")),
                false => json!(host),
            }
        }
        (
            "Broker",
            "AmqpEndpoints" | "MqttEndpoints" | "OpenWireEndpoints" | "StompEndpoints"
            | "WssEndpoints",
        ) => {
            let (scheme, port) = match name {
                "AmqpEndpoints" => ("amqps", 5671),
                "MqttEndpoints" => ("mqtt+ssl", 8883),
                "OpenWireEndpoints" => ("ssl", 61617),
                "StompEndpoints" => ("stomp+ssl", 61614),
                _ => ("wss", 61619),
            };
            let id = placeholders::uuid(reference);
            // A broker with a standby has two.
            json!([1, 2].map(|number| {
                format!("{scheme}://b-{id}-{number}.mq.{REGION}.amazonaws.com:{port}")
            }))
        }
        ("Subnet" | "Instance", "AvailabilityZone") => json!(format!("{REGION}a")),
        ("EIP", "PublicIp") => json!("203.0.113.10"),
        (_, "PrivateIp") => json!("10.0.0.10"),
        ("LaunchTemplate", "LatestVersionNumber" | "DefaultVersionNumber") => json!("1"),
        ("Parameter", "Value") => json!(placeholders::value(short)),
        (_, "RepositoryUri") => json!(format!(
            "{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{reference}"
        )),
        (
            _,
            "Id" | "GroupId" | "VpcId" | "SubnetId" | "FileSystemId" | "AllocationId"
            | "InternetGatewayId",
        ) if reference.contains('-') && !reference.starts_with("arn:") && name != "VpcId" => {
            json!(reference)
        }
        ("VPC", "VpcId") => json!(reference),
        (_, "VpcId") => json!(placeholders::id("vpc", reference)),
        ("Stack", output) => json!(placeholders::value(output.trim_start_matches("Outputs."))),
        _ => json!(placeholders::value(&format!("{short}-{name}"))),
    }
}

fn arn_of(resource_type: &str, name: &str) -> String {
    let mut parts = resource_type.split("::").skip(1);
    let (service, kind) = (
        parts.next().unwrap_or("custom"),
        parts.next().unwrap_or_default(),
    );
    match (service, kind) {
        ("IAM", "Role") => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        ("IAM", "InstanceProfile") => format!("arn:aws:iam::{ACCOUNT}:instance-profile/{name}"),
        ("IAM", _) => format!("arn:aws:iam::{ACCOUNT}:{}/{name}", kind.to_lowercase()),
        ("S3", "Bucket") => format!("arn:aws:s3:::{name}"),
        ("Logs", "LogGroup") => arn("logs", &format!("log-group:{name}:*")),
        ("SQS", _) => arn("sqs", name.rsplit('/').next().unwrap_or(name)),
        ("DynamoDB", _) => arn("dynamodb", &format!("table/{name}")),
        ("ECR", _) => arn("ecr", &format!("repository/{name}")),
        ("KMS", _) => arn("kms", &format!("key/{name}")),
        ("Lambda" | "Serverless", _) => arn("lambda", &format!("function:{name}")),
        ("EFS", "FileSystem") => arn("elasticfilesystem", &format!("file-system/{name}")),
        ("EFS", "AccessPoint") => arn("elasticfilesystem", &format!("access-point/{name}")),
        ("Events", _) => arn("events", &format!("rule/{name}")),
        ("RDS", "DBInstance") => arn("rds", &format!("db:{name}")),
        ("RDS", "DBCluster") => arn("rds", &format!("cluster:{name}")),
        ("SSM", _) => arn(
            "ssm",
            &format!("parameter/{}", name.trim_start_matches('/')),
        ),
        _ => arn(&service.to_lowercase(), name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(resource_type: &str, properties: Value, reference: &str, attributes: &[(&str, &str)]) {
        let referable = referable(resource_type, "shop-R-1", &properties);
        assert!(
            referable.reference.starts_with(reference),
            "{}",
            referable.reference
        );
        for (name, expected) in attributes {
            let value = attribute(&referable, name);
            assert!(
                value
                    .as_str()
                    .is_some_and(|value| value.starts_with(expected)),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn references_have_the_shape_of_their_type_and_explicit_names_are_kept() {
        check(
            "AWS::EC2::Subnet",
            json!({}),
            "subnet-",
            &[("AvailabilityZone", "us-west-2a"), ("VpcId", "vpc-")],
        );
        check(
            "AWS::EC2::SecurityGroup",
            json!({}),
            "sg-",
            &[("GroupId", "sg-")],
        );
        let named = json!({"LogGroupName": "/ecs/app"});
        let arn = "arn:aws:logs:us-west-2:123456789012:log-group:/ecs/app:*";
        check("AWS::Logs::LogGroup", named, "/ecs/app", &[("Arn", arn)]);
        check(
            "AWS::IAM::Role",
            json!({}),
            "shop-R-1",
            &[("Arn", "arn:aws:iam::123456789012:role/shop-R-1")],
        );
        let balancer =
            "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/shop-R-1/";
        check(
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            json!({}),
            balancer,
            &[("LoadBalancerFullName", "app/shop-R-1/")],
        );
        let uri = "123456789012.dkr.ecr.us-west-2.amazonaws.com/app";
        check(
            "AWS::ECR::Repository",
            json!({"RepositoryName": "app"}),
            "app",
            &[("RepositoryUri", uri)],
        );
        check(
            "Custom::Other",
            json!({}),
            "shop-R-1",
            &[("Whatever", "shop-R-1-Whatever")],
        );
        check(
            "AWS::AppSync::GraphQLApi",
            json!({"Name": "shop/api"}),
            "arn:aws:appsync:us-west-2:123456789012:apis/",
            &[
                ("RealtimeUrl", "wss://"),
                ("GraphQLEndpointArn", "arn:aws:appsync:us-west-2:"),
            ],
        );
        check(
            "AWS::AppSync::ApiKey",
            json!({"ApiId": "a1"}),
            "arn:aws:appsync:us-west-2:123456789012:apis/a1/apikey/da2-",
            &[("ApiKey", "da2-"), ("ApiKeyId", "da2-")],
        );
        check(
            "AWS::CloudFormation::Stack",
            json!({}),
            "arn:aws:cloudformation:",
            &[("Outputs.VpcId", "vpc-")],
        );
    }
}
