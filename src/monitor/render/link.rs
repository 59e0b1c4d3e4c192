//! Links into AWS's console.
//!
//! Pure. A task's page is gone an hour after its end; a log stream's lasts as long as the log.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The page of a task, if its cluster is known.
pub fn task(task_arn: &str, cluster: &str) -> Option<String> {
    let (partition, region) = place(task_arn).filter(|_| !cluster.is_empty())?;
    let id = task_arn.rsplit('/').next()?;
    let host = host(partition, region);
    Some(format!(
        "https://{host}/ecs/v2/clusters/{cluster}/tasks/{id}?region={region}"
    ))
}

/// The page of a service, if its cluster is known: an old ARN does not name it.
pub fn service(service_arn: &str, cluster: &str) -> Option<String> {
    let (partition, region) = place(service_arn).filter(|_| !cluster.is_empty())?;
    let name = service_arn.rsplit('/').next()?;
    let host = host(partition, region);
    Some(format!(
        "https://{host}/ecs/v2/clusters/{cluster}/services/{name}?region={region}"
    ))
}

/// The page of a log stream, in the partition of this ARN, and in its region unless `region` names
/// another.
pub fn log_stream(arn: &str, region: Option<&str>, group: &str, stream: &str) -> Option<String> {
    let (partition, own) = place(arn)?;
    let region = region.unwrap_or(own);
    let host = host(partition, region);
    let (group, stream) = (fragment(group), fragment(stream));
    Some(format!(
        "https://{host}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events/{stream}"
    ))
}

/// Partition and region of an ARN.
fn place(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':');
    let (_, partition, _, region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((partition, region)).filter(|_| !region.is_empty())
}

fn host(partition: &str, region: &str) -> String {
    match partition {
        "aws-cn" => format!("{region}.console.amazonaws.cn"),
        "aws-us-gov" => format!("{region}.console.amazonaws-us-gov.com"),
        _ => format!("{region}.console.aws.amazon.com"),
    }
}

/// CloudWatch's console encodes twice, and writes `$` for the outer `%`.
fn fragment(text: &str) -> String {
    let once = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    once.replace('%', "$25")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_partition_and_region_of_the_arn() {
        let arn = "arn:aws:ecs:us-west-2:123456789012:task/prod/0123";
        assert_eq!(
            task(arn, "prod").as_deref(),
            Some(
                "https://us-west-2.console.aws.amazon.com/ecs/v2/clusters/prod/tasks/0123?region=us-west-2"
            )
        );
        let china = "arn:aws-cn:ecs:cn-north-1:123456789012:service/prod/web";
        assert_eq!(
            service(china, "prod").as_deref(),
            Some(
                "https://cn-north-1.console.amazonaws.cn/ecs/v2/clusters/prod/services/web?region=cn-north-1"
            )
        );
        assert_eq!(task("0123", "prod"), None);
        assert_eq!(task(arn, ""), None);
        assert_eq!(
            service("arn:aws:ecs:us-west-2:123456789012:service/web", ""),
            None
        );
    }

    #[test]
    fn a_log_stream_is_encoded_as_the_console_wants_it() {
        let arn = "arn:aws:ecs:us-west-2:123456789012:task/prod/0123";
        assert_eq!(
            log_stream(arn, None, "/ecs/app", "app/web/0123").as_deref(),
            Some(
                "https://us-west-2.console.aws.amazon.com/cloudwatch/home?region=us-west-2#logsV2:log-groups/log-group/\
                 $252Fecs$252Fapp/log-events/app$252Fweb$252F0123"
            )
        );
    }
}
