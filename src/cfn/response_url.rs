//! The presigned address for a request's answer. Anyone who has its query can answer in our name.

use std::{fmt, net::IpAddr};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, PrimitiveDateTime, macros::format_description};
use url::{Host, Url};

/// A ResponseURL that may receive an answer: https, or http to a loopback host.
///
/// It is a bearer secret, so `Debug` and `Display` leave its query out. Only serialization, which
/// the continuation needs, and [`ResponseUrl::expose`] show all of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResponseUrl(Url);

/// The errors of a ResponseURL that must not receive an answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ResponseUrlError {
    /// The text is not an absolute URL.
    #[error("the ResponseURL is not a URL")]
    NotAUrl,
    /// The answer, and with it the right to answer, would travel unencrypted or over another
    /// protocol.
    #[error("the ResponseURL must be https (http only for a loopback host), not {0}")]
    Scheme(String),
}

impl ResponseUrl {
    /// Accepts https for any host and http for a loopback host.
    pub fn parse(text: &str) -> Result<Self, ResponseUrlError> {
        let text = text.trim();
        if !has_plain_host(text) {
            return Err(ResponseUrlError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| ResponseUrlError::NotAUrl)?;
        match url.scheme() {
            // Any host, because CloudFormation's bucket names have several forms, by Region and by
            // partition.
            "https" if url.has_host() => Ok(Self(url)),
            // Stand-ins of CloudFormation on a developer's machine have no certificate.
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" | "https" => Err(ResponseUrlError::Scheme(format!(
                "{} to {}",
                url.scheme(),
                url.host_str().unwrap_or("no host")
            ))),
            other => Err(ResponseUrlError::Scheme(other.to_owned())),
        }
    }

    /// The whole address with its secret query, only for the PUT.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// Host and port, for the log.
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// The time at which CloudFormation signed the address, which is when it sent the request
    /// (`X-Amz-Date`).
    pub fn signed_at(&self) -> Option<OffsetDateTime> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        PrimitiveDateTime::parse(&self.query("X-Amz-Date")?, format)
            .ok()
            .map(PrimitiveDateTime::assume_utc)
    }

    /// The time at which S3 stops accepting an answer: `X-Amz-Date` plus `X-Amz-Expires` (7200 s),
    /// or `Expires` of an older signature.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        let lifetime = self
            .query("X-Amz-Expires")
            .and_then(|seconds| seconds.parse::<u32>().ok());
        match (self.signed_at(), lifetime) {
            (Some(signed), Some(seconds)) => Some(signed + Duration::seconds(seconds.into())),
            _ => OffsetDateTime::from_unix_timestamp(self.query("Expires")?.parse().ok()?).ok(),
        }
    }

    /// StackId, LogicalResourceId and RequestId from the path, in which CloudFormation joins them
    /// by `|`. They serve a request that has lost its own ids.
    pub fn ids(&self) -> Option<[String; 3]> {
        let path = percent_decode_str(self.0.path()).decode_utf8().ok()?;
        // Some forms of the address name the bucket in front of the key.
        let path = &path[path.find("arn:")?..];
        let mut parts = path.rsplitn(3, '|').map(str::to_owned);
        let (request, logical, stack) = (parts.next()?, parts.next()?, parts.next()?);
        Some([stack, logical, request])
    }

    fn query(&self, name: &str) -> Option<String> {
        self.0
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// True if the text is plain ASCII, and its host has neither percent-encoding nor a user.
/// CloudFormation's addresses are like that. The parser has no Unicode tables (docs/decisions/0004)
/// and must not meet another host.
fn has_plain_host(text: &str) -> bool {
    let slashes = ['/', '\\'];
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest
        .trim_start_matches(slashes)
        .split(['/', '\\', '?', '#'])
        .next()
        .unwrap_or_default();
    text.is_ascii() && scheme.chars().all(char::is_alphanumeric) && !authority.contains(['%', '@'])
}

/// True if the address is this machine's own, so that nothing leaves the machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

impl fmt::Display for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The signature is in the query, so the rest may be logged.
        write!(
            f,
            "{}://{}{}",
            self.0.scheme(),
            self.0.authority(),
            self.0.path()
        )?;
        if self.0.query().is_some() {
            f.write_str("?…")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseUrl({self})")
    }
}

impl TryFrom<String> for ResponseUrl {
    type Error = ResponseUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ResponseUrl> for String {
    fn from(url: ResponseUrl) -> Self {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const PRESIGNED: &str = "https://cloudformation-custom-resource-response-uswest2.s3.us-west-2.amazonaws.com/\
        arn%3Aaws%3Acloudformation%3Aus-west-2%3A123456789012%3Astack/prod/12947b30%7CMigrateTask%7C720958cb\
        ?X-Amz-Date=20261120T101500Z&X-Amz-Expires=7200&X-Amz-Signature=0123456789abcdef";

    #[test]
    fn a_presigned_url_tells_when_it_was_signed_and_when_it_expires() {
        let url = ResponseUrl::parse(PRESIGNED).expect("a good URL");
        assert_eq!(url.signed_at(), Some(datetime!(2026-11-20 10:15 UTC)));
        assert_eq!(url.expires_at(), Some(datetime!(2026-11-20 12:15 UTC)));
    }

    #[test]
    fn a_url_without_a_signature_never_expires() {
        let url = ResponseUrl::parse("http://127.0.0.1:9000/answer").expect("a good URL");
        assert_eq!((url.signed_at(), url.expires_at()), (None, None));
    }

    #[test]
    fn an_older_signature_expires_at_its_expires() {
        let url = ResponseUrl::parse(
            "https://s3.amazonaws.com/x?AWSAccessKeyId=A&Expires=1700000000&Signature=s",
        );
        assert_eq!(
            url.expect("a good URL").expires_at(),
            Some(datetime!(2023-11-14 22:13:20 UTC))
        );
    }

    #[test]
    fn neither_debug_nor_display_show_the_query() {
        let url = ResponseUrl::parse(PRESIGNED).expect("a good URL");
        for shown in [format!("{url}"), format!("{url:?}")] {
            assert!(!shown.contains("Signature"), "{shown}");
            assert!(shown.contains("MigrateTask"), "{shown}");
        }
    }

    #[test]
    fn the_ids_of_a_request_stand_in_the_path() {
        let ids = ResponseUrl::parse(PRESIGNED)
            .expect("a good URL")
            .ids()
            .expect("three ids");
        assert_eq!(
            ids,
            [
                "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/12947b30",
                "MigrateTask",
                "720958cb"
            ]
        );
    }

    #[test]
    fn a_host_that_would_have_to_be_decoded_is_refused() {
        for bad in [
            "https://B\u{fc}cher.example/a",
            "https://%C3%84B/a",
            "https:////%C3%84B/a",
            "https:/%C3%84B/a",
            "https://user@host/a",
        ] {
            assert_eq!(
                ResponseUrl::parse(bad),
                Err(ResponseUrlError::NotAUrl),
                "{bad}"
            );
        }
    }

    #[test]
    fn http_is_for_loopback_alone() {
        for good in [
            "http://127.0.0.1/a",
            "http://localhost:1/a",
            "http://[::1]:8/a",
            "https://example.com/a",
        ] {
            assert!(ResponseUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com/a",
            "ftp://127.0.0.1/a",
            "http://127.0.0.1.example.com/",
            "/a",
            "",
        ] {
            assert!(ResponseUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
