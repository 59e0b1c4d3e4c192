//! CloudFormation: reads the status of a stack, to learn whether it rolls back.

use super::{Aws, CallError};

impl Aws {
    /// The stack's status, for example `UPDATE_ROLLBACK_IN_PROGRESS`.
    ///
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html>
    pub async fn stack_status(&self, stack_id: &str) -> Result<String, CallError> {
        // An Update of a rollback looks like any other: the request does not say which one it is.
        const OPERATION: &str = "cloudformation:DescribeStacks";
        let output = self
            .cloudformation()
            .describe_stacks()
            .stack_name(stack_id)
            .send()
            .await;
        let output = output.map_err(|error| CallError::of(OPERATION, error))?;
        let status = output
            .stacks()
            .first()
            .and_then(|stack| stack.stack_status());
        let status = status.map(|status| status.as_str().trim().to_owned());
        status
            .filter(|status| !status.is_empty())
            .ok_or_else(|| CallError::unreadable(OPERATION, "StackStatus"))
    }
}
