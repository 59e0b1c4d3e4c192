import { CfnResource, Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { IConstruct } from 'constructs';

const WILDCARDS = 'AwsSolutions-IAM5';
const WHY_WILDCARDS =
  'ListClusters, ListTasks and DescribeTaskDefinition take no resource. The function must be able to stop tasks in clusters that its ' +
  "EcsTask no longer names, and to read any task's log: restrict both with clusters and taskLogGroups of EcsTaskProvider";

const WHY_QUALIFIERS = 'ECS may invoke the function, and its versions and aliases';

/** Rules of cdk-nag's pack AwsSolutions that a resource breaks by intention, and why. */
const ACKNOWLEDGED: Record<string, Record<string, string>> = {
  'AWS::SQS::Queue': {
    'AwsSolutions-SQS3': 'It is itself the queue for what could not be delivered',
    'AwsSolutions-SQS4': 'Only Lambda sends to it, over TLS',
  },
  'AWS::DynamoDB::Table': {
    'AwsSolutions-DDB3': 'A row is of no use when its request is over, and a backup would keep its ResponseURL',
  },
};

/** Says of each resource in a construct which rules of cdk-nag it breaks by intention. */
export function acknowledge(scope: IConstruct): void {
  for (const resource of scope.node.findAll().filter((construct) => CfnResource.isCfnResource(construct))) {
    const rules = { ...ACKNOWLEDGED[resource.cfnResourceType], ...wildcardsOf(resource) };
    Object.entries(rules).forEach(([id, reason]) => Validations.of(resource).acknowledge({ id, reason }));
    if (Object.keys(rules).length > 0) {
      resource.addMetadata('cdk_nag', { rules_to_suppress: forVersion2(rules) });
    }
  }
}

/** cdk-nag 2 reads the template's metadata, in which one rule stands for all of its findings. */
function forVersion2(rules: Record<string, string>): any[] {
  const byId = new Map(Object.entries(rules).map(([id, reason]) => [id.split('[')[0], reason]));
  return [...byId].map(([id, reason]) => ({ id, reason }));
}

/** cdk-nag 3 wants each resource with a wildcard by name, with references as it writes them: `<AWS::Region>`. */
function wildcardsOf(resource: CfnResource): Record<string, string> {
  if (!(resource instanceof iam.CfnRole)) {
    return {};
  }
  const policies: any[] = Stack.of(resource).resolve(resource.policies) ?? [];
  const allowed = policies.flatMap(({ policyDocument }) => policyDocument.Statement).filter(({ Effect }) => Effect === 'Allow');
  const findings = [
    ...allowed.flatMap(({ Action }) => Action).map((action) => `Action::${action}`),
    ...allowed.flatMap(({ Resource }) => Resource).map((arn) => `Resource::${arn['Fn::Sub'] ?? arn}`),
  ].filter((finding) => finding.includes('*'));
  const ids = findings.map((finding) => `${WILDCARDS}[${finding.replace(/\$\{/g, '<').replace(/}/g, '>')}]`);
  const isInvoker = allowed.every(({ Action }) => Action === 'lambda:InvokeFunction');
  return Object.fromEntries(ids.map((id) => [id, isInvoker ? WHY_QUALIFIERS : WHY_WILDCARDS]));
}
