//! Dynamic references: `{{resolve:ssm:/path}}`, `{{resolve:secretsmanager:name:SecretString:key}}`.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>

use serde_json::Value;

use super::external::External;

const START: &str = "{{resolve:";

/// Resolves the dynamic references in a value, those to secrets with `secrets` only: CloudFormation
/// does not resolve them in a custom resource.
pub fn resolved(value: Value, secrets: bool, external: &External) -> Value {
    match value {
        Value::String(text) if text.contains(START) => {
            text_resolved(&text, secrets, external).into()
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| resolved(item, secrets, external))
            .collect(),
        Value::Object(object) => object
            .into_iter()
            .map(|(name, item)| (name, resolved(item, secrets, external)))
            .collect(),
        other => other,
    }
}

fn text_resolved(text: &str, secrets: bool, external: &External) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(START) {
        let Some(length) = rest[start..].find("}}") else {
            break;
        };
        let reference = &rest[start + START.len()..start + length];
        written.push_str(&rest[..start]);
        match reference.split_once(':') {
            Some(("ssm", name)) => written.push_str(&external.ssm_parameter(name)),
            Some((service @ ("ssm-secure" | "secretsmanager"), name)) if secrets => {
                written.push_str(&external.note_secret(&format!("the secret {name} of {service}")));
            }
            // A custom resource gets the reference to a secret as it is written.
            _ => written.push_str(&rest[start..start + length + 2]),
        }
        rest = &rest[start + length + 2..];
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_parameter_of_ssm_has_the_given_value_or_a_made_up_one() {
        let ssm = [("/prod/image".to_owned(), "app:7".to_owned())].into();
        let external = External::of(Default::default(), ssm);
        let value = json!({"Image": "{{resolve:ssm:/prod/image:3}}", "Vpc": ["x-{{resolve:ssm:/prod/vpc}}-y"]});
        let resolved = resolved(value, false, &external);
        assert_eq!(resolved["Image"], "app:7");
        assert!(
            resolved["Vpc"][0].as_str().unwrap().starts_with("x-vpc-"),
            "{resolved}"
        );
        assert_eq!(external.notes().len(), 1);
        assert!(
            external.notes()[0]
                .starts_with("the SSM parameter /prod/vpc has a made-up value: vpc-")
        );
    }

    #[test]
    fn a_secret_is_made_up_but_left_alone_in_a_custom_resource() {
        let external = External::default();
        let text = json!("{{resolve:secretsmanager:db:SecretString:password}}");
        assert_eq!(resolved(text.clone(), false, &external), text);
        assert_eq!(resolved(text, true, &external), "rehearsed-secret");
        assert!(
            external.notes()[0].starts_with("the secret db:SecretString:password"),
            "{:?}",
            external.notes()
        );
    }
}
