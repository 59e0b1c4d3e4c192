//! The presigned address of an AWS::CloudFormation::WaitConditionHandle. It takes the verdict on a
//! run that lasts longer than CloudFormation waits for a custom resource.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html>

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use url::Url;

use super::{ResponseUrl, ResponseUrlError, is_loopback};

/// The prefix of the bucket that accepts signals. The Region's name follows.
const BUCKET: &str = "cloudformation-waitcondition-";
/// The domains of S3 in AWS's public partitions.
const DOMAINS: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"];

/// A WaitConditionHandle that may be signalled: an address in CloudFormation's own bucket in the
/// stack's Region, or on a loopback host.
///
/// It is as secret as a ResponseURL, and shown like one, without its query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WaitHandle(ResponseUrl);

/// The errors of a WaitHandle that must not be signalled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitHandleError {
    /// The text is not an address, or one that must not receive a secret.
    #[error(
        "WaitHandle is not an https URL: set it to !Ref of an AWS::CloudFormation::WaitConditionHandle"
    )]
    NotAnAddress,
    /// The address belongs to somebody else.
    #[error(
        "WaitHandle points to {host}, not to CloudFormation's bucket {BUCKET}{region}: set it to !Ref of an \
         AWS::CloudFormation::WaitConditionHandle of the same stack"
    )]
    Elsewhere {
        /// The host of the address.
        host: String,
        /// The stack's Region.
        region: String,
    },
}

impl WaitHandle {
    /// Accepts the handles of this Region.
    pub fn parse(text: &str, region: &str) -> Result<Self, WaitHandleError> {
        let address = ResponseUrl::parse(text).map_err(|error| match error {
            ResponseUrlError::NotAUrl | ResponseUrlError::Scheme(_) => {
                WaitHandleError::NotAnAddress
            }
        })?;
        let url = Url::parse(address.expose()).map_err(|_| WaitHandleError::NotAnAddress)?;
        let host = url.host_str().unwrap_or_default();
        // A template's author chooses this address. Any other host would receive the run's outcome,
        // log lines included.
        if is_loopback(&url) || is_bucket(host, region) {
            return Ok(Self(address));
        }
        Err(WaitHandleError::Elsewhere {
            host: host.to_owned(),
            region: region.to_owned(),
        })
    }

    /// The address for the signal.
    pub fn address(&self) -> &ResponseUrl {
        &self.0
    }

    /// The time at which the handle stops accepting signals, if its address gives it.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.0.expires_at()
    }

    /// The time from its creation during which the handle accepts signals, if its address gives it.
    pub fn lifetime(&self) -> Option<Duration> {
        Some(self.0.expires_at()? - self.0.signed_at()?)
    }
}

/// True if the host is the Region's bucket, in one of the forms that S3 has for it.
fn is_bucket(host: &str, region: &str) -> bool {
    let Some(rest) = host
        .strip_prefix(BUCKET)
        .and_then(|rest| rest.strip_prefix(region))
    else {
        return false;
    };
    let forms = [
        "s3".to_owned(),
        format!("s3-{region}"),
        format!("s3.{region}"),
        format!("s3.dualstack.{region}"),
    ];
    // The whole name is compared: anybody can own a host that only begins like the bucket.
    forms.iter().any(|form| {
        let domain = rest
            .strip_prefix('.')
            .and_then(|rest| rest.strip_prefix(form.as_str()));
        domain
            .and_then(|domain| domain.strip_prefix('.'))
            .is_some_and(|domain| DOMAINS.contains(&domain))
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const QUERY: &str = "X-Amz-Date=20261120T101500Z&X-Amz-Expires=43199&X-Amz-Signature=secret";

    fn parse(host: &str) -> Result<WaitHandle, WaitHandleError> {
        WaitHandle::parse(
            &format!("{host}/arn%3Aaws%3Acloudformation/Handle?{QUERY}"),
            "us-west-2",
        )
    }

    #[test]
    fn only_cloudformations_bucket_of_the_region_is_signalled() {
        for good in [
            "https://cloudformation-waitcondition-us-west-2.s3.amazonaws.com",
            "https://cloudformation-waitcondition-us-west-2.s3.us-west-2.amazonaws.com",
            "https://cloudformation-waitcondition-us-west-2.s3-us-west-2.amazonaws.com",
            "https://cloudformation-waitcondition-us-west-2.s3.dualstack.us-west-2.amazonaws.com",
            "http://127.0.0.1:4566",
            "http://localhost:4566",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "https://example.com",
            "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com",
            "https://cloudformation-waitcondition-us-west-2.s3.amazonaws.com.example.com",
            "https://cloudformation-waitcondition-us-west-2.example.com",
            "https://cloudformation-waitcondition-us-west-2x.s3.amazonaws.com",
            "https://my.cloudformation-waitcondition-us-west-2.s3.amazonaws.com",
        ] {
            assert!(
                matches!(parse(bad), Err(WaitHandleError::Elsewhere { .. })),
                "{bad}"
            );
        }
        for bad in [
            "http://cloudformation-waitcondition-us-west-2.s3.amazonaws.com",
            "Handle",
            "",
        ] {
            assert_eq!(parse(bad), Err(WaitHandleError::NotAnAddress), "{bad}");
        }
    }

    #[test]
    fn it_says_how_long_it_takes_signals_and_hides_its_query() {
        let handle = parse("https://cloudformation-waitcondition-us-west-2.s3.amazonaws.com")
            .expect("a good handle");
        assert_eq!(handle.lifetime(), Some(Duration::seconds(43_199)));
        assert_eq!(
            handle.expires_at(),
            Some(datetime!(2026-11-20 22:14:59 UTC))
        );
        assert!(!format!("{handle:?}").contains("secret"));
    }

    #[test]
    fn what_is_refused_is_named_without_its_query() {
        let error = parse("https://example.com").expect_err("a foreign host");
        assert_eq!(
            error.to_string(),
            "WaitHandle points to example.com, not to CloudFormation's bucket \
             cloudformation-waitcondition-us-west-2: set it to !Ref of an AWS::CloudFormation::WaitConditionHandle \
             of the same stack"
        );
    }
}
