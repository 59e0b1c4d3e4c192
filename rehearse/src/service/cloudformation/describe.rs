//! DescribeStacks, in the query protocol.

/// The answer to DescribeStacks for one stack, as XML. The ARN names the stack.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html>
pub fn described_stack(stack_id: &str, status: &str) -> String {
    let name = stack_id.split('/').nth(1).unwrap_or_default();
    format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
         <Stacks><member><StackName>{name}</StackName><StackId>{stack_id}</StackId>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus></member></Stacks>\
         </DescribeStacksResult></DescribeStacksResponse>"
    )
}
