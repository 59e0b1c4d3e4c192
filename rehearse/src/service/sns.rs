//! SNS, as far as alerts need it: Publish, in the query protocol.
//!
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

use std::collections::HashMap;

use crate::{
    config::{arn, random_uuid},
    protocol::AwsError,
    report::{Report, Reporter},
};

/// The largest message, in bytes.
const MAX_MESSAGE: usize = 256 * 1024;

/// SNS with one topic.
pub struct Sns {
    reporter: Reporter,
}

impl Sns {
    /// Makes the topic. `reporter` gets every message.
    pub fn new(reporter: Reporter) -> Self {
        Self { reporter }
    }

    /// The topic's ARN.
    pub fn topic_arn() -> String {
        arn("sns", "alerts")
    }

    /// Answers Publish, as XML.
    pub fn publish(&self, form: &HashMap<String, String>) -> Result<String, AwsError> {
        let given = |name: &str| form.get(name).cloned().unwrap_or_default();
        let (subject, message) = (given("Subject"), given("Message"));
        if given("TopicArn") != Self::topic_arn() {
            return Err(AwsError::new("NotFound", "Topic does not exist"));
        }
        if message.is_empty() || message.len() > MAX_MESSAGE {
            return Err(AwsError::new(
                "InvalidParameter",
                "Invalid parameter: Message too long or empty",
            ));
        }
        // SNS refuses control characters and anything but ASCII in a subject, and a text above 100
        // characters.
        let plain = |char: char| char == ' ' || char.is_ascii_graphic();
        if form.contains_key("Subject")
            && (subject.is_empty() || subject.len() > 100 || !subject.chars().all(plain))
        {
            return Err(AwsError::new(
                "InvalidParameter",
                "Invalid parameter: Subject",
            ));
        }
        (self.reporter)(Report::Alerted { subject, message });
        Ok(format!(
            "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>{}</MessageId>\
             </PublishResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></PublishResponse>",
            random_uuid(),
            random_uuid()
        ))
    }
}
