"""Differences that are known: whose they are, and the evidence."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Listed:
    """A known difference, found by patterns of its row and of what it says."""

    name: str
    whose: str
    template: str
    operation: str
    judge: str
    difference: str
    evidence: str

    def covers(self, row, difference: str) -> bool:
        """Whether it is this one."""
        patterns = ((self.template, row.template), (self.operation, row.operation), (self.judge, row.judge))
        return all(re.fullmatch(pattern, text) for pattern, text in patterns) and bool(
            re.fullmatch(self.difference, difference)
        )


LISTED = [
    Listed(
        "no events of a rollback's delete",
        "ministack",
        "example|cdk",
        "(cdk-)?fails: failing create",
        "ministack",
        r"Migrate\w*: CREATE_IN_PROGRESS CREATE_FAILED, and .* DELETE_IN_PROGRESS DELETE_COMPLETE in the rehearsal",
        "Its _deploy_stack_async (services/cloudformation/stacks.py) rolls back what was created and leaves out what failed. "
        "CloudFormation deletes a resource whose Create failed, too: "
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html",
    ),
    Listed(
        "a condition in progress twice",
        "ministack",
        "long",
        ".*",
        "ministack",
        r"MigrateV1Condition: CREATE_IN_PROGRESS CREATE_IN_PROGRESS CREATE_\w+, and CREATE_IN_PROGRESS CREATE_\w+ in the rehearsal",
        "It sends an event of its own for a WaitCondition beside that of every resource (services/cloudformation/wait_conditions.py). "
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html",
    ),
    Listed(
        "a new resource of an update is updated",
        "ministack",
        "long",
        "long: update",
        "ministack",
        r"MigrateV2(Condition)?: UPDATE_IN_PROGRESS .*UPDATE_COMPLETE, and CREATE_IN_PROGRESS CREATE_COMPLETE in the rehearsal",
        "Its _deploy_stack_async names each event of an update UPDATE_…, also of a resource that the update creates. A resource's "
        "own status is CREATE_COMPLETE: "
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html",
    ),
]
