//! Lambda: the function invokes itself.

use aws_sdk_lambda::{primitives::Blob, types::InvocationType};

use super::{Aws, CallError};

impl Aws {
    /// Queues an asynchronous invocation of `function_arn`, alias or version included, with this
    /// payload.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
    pub async fn invoke_event(
        &self,
        function_arn: &str,
        payload: Vec<u8>,
    ) -> Result<(), CallError> {
        let call = self
            .lambda()
            .invoke()
            .function_name(function_arn)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload));
        call.send()
            .await
            .map_err(|error| CallError::of("lambda:InvokeFunction", error))?;
        Ok(())
    }
}
