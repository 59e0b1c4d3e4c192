//! Made-up values in the shape of real ones, so that Fn::Split, Fn::Select and other readers work.
//! A name always gives the same value.

use sha2::{Digest, Sha256};

use crate::config::{ACCOUNT, REGION, arn};

/// Words, and the ARN of a thing with one of them in its name.
type ArnShape = (&'static [&'static str], fn(&str) -> String);

/// ARNs by words in a name. The first match counts.
const ARNS: [ArnShape; 20] = [
    (&["role"], |name| {
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }),
    (&["policy"], |name| {
        format!("arn:aws:iam::{ACCOUNT}:policy/{name}")
    }),
    (&["instanceprofile"], |name| {
        format!("arn:aws:iam::{ACCOUNT}:instance-profile/{name}")
    }),
    (&["taskdefinition", "taskdef"], |name| {
        arn("ecs", &format!("task-definition/{name}:1"))
    }),
    (&["cluster"], |name| arn("ecs", &format!("cluster/{name}"))),
    (&["secret"], |name| {
        arn(
            "secretsmanager",
            &format!("secret:{name}-{}", &digits(name)[..6]),
        )
    }),
    (&["loggroup"], |name| {
        arn("logs", &format!("log-group:{name}:*"))
    }),
    (&["targetgroup"], |name| {
        balancing(&format!(
            "targetgroup/{}/{}",
            short(name),
            &digits(name)[..16]
        ))
    }),
    (&["listener"], |name| {
        balancing(&format!(
            "listener/app/{}/{}/{}",
            short(name),
            &digits(name)[..16],
            &digits(name)[16..32]
        ))
    }),
    (&["loadbalancer", "alb", "nlb"], |name| {
        balancing(&format!(
            "loadbalancer/app/{}/{}",
            short(name),
            &digits(name)[..16]
        ))
    }),
    (&["certificate", "cert"], |name| {
        arn("acm", &format!("certificate/{}", uuid(name)))
    }),
    (&["topic", "sns"], |name| arn("sns", name)),
    (&["queue", "sqs", "dlq"], |name| arn("sqs", name)),
    (&["bucket"], |name| {
        format!("arn:aws:s3:::{}", name.to_lowercase())
    }),
    (&["function", "lambda"], |name| {
        arn("lambda", &format!("function:{name}"))
    }),
    (&["repository", "repo", "ecr"], |name| {
        arn("ecr", &format!("repository/{}", name.to_lowercase()))
    }),
    (&["table"], |name| arn("dynamodb", &format!("table/{name}"))),
    (&["key", "kms"], |name| {
        arn("kms", &format!("key/{}", uuid(name)))
    }),
    (&["service"], |name| arn("ecs", &format!("service/{name}"))),
    (&["filesystem", "efs"], |name| {
        arn(
            "elasticfilesystem",
            &format!("file-system/{}", id("fs", name)),
        )
    }),
];

/// A value for a thing with this name: an export, an SSM parameter, an attribute.
pub fn value(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase();
    let has = |word: &str| plain.contains(word);
    let ends = |words: &[&str]| words.iter().any(|word| plain.ends_with(word));
    let own = last_part(name);
    if ends(&["arns"]) {
        return [1, 2]
            .map(|number| arn_of(&plain, &format!("{own}-{number}")))
            .join(",");
    }
    if ends(&["arn"]) {
        return arn_of(&plain, &own);
    }
    let ids = |prefix: &str, several: bool| match several {
        true => [1, 2, 3]
            .map(|number| id(prefix, &format!("{name}{number}")))
            .join(","),
        false => id(prefix, name),
    };
    let several = ends(&["s", "list"]);
    match () {
        () if has("subnetgroup") => own,
        () if has("subnet") && !has("cidr") => ids("subnet", several),
        () if has("securitygroup") || ends(&["sg", "sgid", "sgs"]) => ids("sg", several),
        () if has("ipv6") => "2600:1f14:abc:de00::/56".to_owned(),
        () if has("cidr") => "10.0.0.0/16".to_owned(),
        () if has("vpc") => id("vpc", name),
        () if has("hostedzone") && !has("name") => {
            format!("Z{}", digits(name)[..20].to_uppercase())
        }
        () if ends(&["availabilityzones", "azs"]) => format!("{REGION}a,{REGION}b,{REGION}c"),
        () if ends(&["availabilityzone", "az"]) => format!("{REGION}a"),
        () if has("repositoryuri")
            || has("imageuri")
            || ends(&["image", "imageurl", "repositoryurl"]) =>
        {
            format!(
                "{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{}",
                own.to_lowercase()
            )
        }
        () if has("imageid") || ends(&["ami"]) => id("ami", name),
        () if has("accountid") => ACCOUNT.to_owned(),
        () if ends(&["region"]) => REGION.to_owned(),
        () if ends(&["port"]) => "5432".to_owned(),
        () if ends(&["url", "uri"]) => format!("https://{}.example.com", own.to_lowercase()),
        () if ends(&[
            "dnsname",
            "endpoint",
            "address",
            "host",
            "hostname",
            "domain",
            "domainname",
        ]) =>
        {
            format!("{}.example.internal", own.to_lowercase().replace('.', "-"))
        }
        () => own,
    }
}

/// An id such as `subnet-0123456789abcdef0`.
pub fn id(prefix: &str, name: &str) -> String {
    format!("{prefix}-{}", &digits(name)[..17])
}

/// An id in the form of a UUID.
pub fn uuid(name: &str) -> String {
    let digits = digits(name);
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..32],
    ]
    .join("-")
}

/// Hex digits that depend on the name alone.
pub fn digits(name: &str) -> String {
    hex::encode(Sha256::digest(name))
}

fn arn_of(plain: &str, own: &str) -> String {
    let known = ARNS
        .iter()
        .find(|(words, _)| words.iter().any(|word| plain.contains(word)));
    known.map_or_else(|| arn("rehearsed", own), |(_, make)| make(own))
}

/// The last part of a path or of an export's name.
fn last_part(name: &str) -> String {
    let last = name
        .trim_end_matches('/')
        .rsplit(['/', ':'])
        .next()
        .unwrap_or(name);
    last.chars()
        .map(|char| {
            if char.is_ascii_alphanumeric() || "-_.".contains(char) {
                char
            } else {
                '-'
            }
        })
        .collect()
}

fn balancing(resource: &str) -> String {
    arn("elasticloadbalancing", resource)
}

/// A load balancer's name, which has at most 32 characters.
fn short(name: &str) -> String {
    name.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::value;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let made_up = value(name);
        let shape: String = made_up
            .chars()
            .map(|char| if char.is_ascii_digit() { '0' } else { char })
            .collect();
        let fits = match expected.strip_suffix('…') {
            Some(start) => made_up.starts_with(start),
            None => made_up == expected || shape == expected,
        };
        assert!(fits, "{name}: {made_up}, not {expected}");
    }

    #[test]
    fn values_have_the_shape_that_their_name_suggests() {
        check("prod-VpcId", "vpc-…");
        check("prod-PrivateSubnet1", "subnet-…");
        check("prod:SecurityGroup", "sg-…");
        check(
            "prod-ExecutionRoleArn",
            "arn:aws:iam::123456789012:role/prod-ExecutionRoleArn",
        );
        check(
            "prod-ClusterArn",
            "arn:aws:ecs:us-west-2:123456789012:cluster/prod-ClusterArn",
        );
        check("prod-ClusterName", "prod-ClusterName");
        check(
            "/prod/db/secret-arn",
            "arn:aws:secretsmanager:us-west-2:123456789012:secret:secret-arn-…",
        );
        check(
            "prod-ListenerArn",
            "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/…",
        );
        check(
            "/prod/api/image",
            "123456789012.dkr.ecr.us-west-2.amazonaws.com/image",
        );
        check("/prod/db/host", "host.example.internal");
        check("VpcCidr", "10.0.0.0/16");
        check("vpc-1-Ipv6CidrBlocks", "2600:1f14:abc:de00::/56");
    }

    #[test]
    fn several_are_joined_by_commas_and_differ() {
        let subnets = value("prod-Subnets");
        let parts: Vec<&str> = subnets.split(',').collect();
        assert_eq!(parts.len(), 3, "{subnets}");
        assert_ne!(parts[0], parts[1]);
        assert_eq!(
            subnets,
            value("prod-Subnets"),
            "the same name gives the same value"
        );
    }
}
