//! SNS: publishes messages to one topic.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sns::{Client, types::MessageAttributeValue};

use super::{CallError, in_region_of};

/// A topic, and a client for its Region.
#[derive(Debug)]
pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    /// The topic of this ARN. Only SNS in the topic's own Region knows it.
    pub fn new(config: &SdkConfig, arn: &str) -> Self {
        Self {
            client: Client::new(&in_region_of(arn, config)),
            arn: arn.to_owned(),
        }
    }

    /// Publishes a message. Subscriptions can filter by `attributes`.
    ///
    /// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
    pub async fn publish(
        &self,
        subject: &str,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<(), CallError> {
        let mut call = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(subject)
            .message(body);
        for (name, value) in attributes {
            let attribute = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build();
            call = call.message_attributes(
                *name,
                attribute.map_err(|error| CallError::unbuilt("sns:Publish", &error))?,
            );
        }
        call.send()
            .await
            .map_err(|error| CallError::of("sns:Publish", error))?;
        Ok(())
    }
}
