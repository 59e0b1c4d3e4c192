//! CloudFormation, asked for one thing: whether a stack rolls back.

use super::{Aws, CallError};

impl Aws {
    /// The stack's status, `UPDATE_ROLLBACK_IN_PROGRESS` for one.
    pub async fn stack_status(&self, stack_id: &str) -> Result<String, CallError> {
        const OPERATION: &str = "cloudformation:DescribeStacks";
        let output = self.cloudformation().describe_stacks().stack_name(stack_id).send().await;
        let output = output.map_err(|error| CallError::of(OPERATION, error))?;
        let status = output.stacks().first().and_then(|stack| stack.stack_status());
        Ok(status.map_or_else(String::new, |status| status.as_str().to_owned()))
    }
}
