import { CfnResource, Fn, Lazy, Stack, Token } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { physicalName } from './names';
import { providerTemplate } from './template';

/** The statements of `cfn/provider.yml` that let the function start tasks and pass roles to them. */
export const TASK_STATEMENTS = ['Start', 'Tag', 'PassTaskRoles', 'PassVolumeRole'];
const POLICY_NAME_LENGTH = 128;

/** The task that the function may start. */
export interface Grant {
  readonly cluster: ecs.ICluster;
  readonly taskDefinition: ecs.ITaskDefinition;
  readonly taskRoles: () => iam.IRole[];
  readonly volumeRoles: () => iam.IRole[];
}

/**
 * Lets the function start one task: its family, in its cluster, with its roles.
 *
 * The policy is a resource of the task's stack, so that a provider of another stack does not depend on this one.
 */
export function grantStart(scope: Construct, role: iam.IRole, grant: Grant): iam.CfnRolePolicy {
  const policy = new iam.CfnRolePolicy(scope, 'StartPolicy', {
    roleName: role.roleName,
    policyName: physicalName(scope, POLICY_NAME_LENGTH),
    policyDocument: Lazy.any({ produce: () => ({ Version: '2012-10-17', Statement: statements(scope, grant) }) }),
  });
  return policy;
}

/** The statements as the template has them, with the task's own resources. */
function statements(scope: Construct, grant: Grant): any[] {
  const { cluster } = grant;
  const arn = (service: string, resource: string, resourceName: string) =>
    Stack.of(scope).formatArn({ service, resource, resourceName });
  const resources: Record<string, string[]> = {
    Start: [arn('ecs', 'task-definition', `${familyOf(grant.taskDefinition)}:*`)],
    Tag: [arn('ecs', 'task', `${cluster.clusterName}/*`)],
    PassTaskRoles: arns(grant.taskRoles()),
    PassVolumeRole: arns(grant.volumeRoles()),
  };
  return policyOf(providerTemplate())
    .filter((statement) => resources[statement.Sid]?.length > 0)
    .map((statement) => ({
      ...statement,
      Resource: resources[statement.Sid],
      Condition: statement.Sid === 'Start' ? { ArnLike: { 'ecs:cluster': cluster.clusterArn } } : statement.Condition,
    }));
}

/** The statements of the function's role, without those that a condition decides. */
export function policyOf(template: { readonly Resources: Record<string, any> }): any[] {
  return template.Resources.Role.Properties.Policies[0].PolicyDocument.Statement;
}

function arns(roles: iam.IRole[]): string[] {
  return [...new Set(roles.map((role) => role.roleArn))];
}

/** The family of a definition; of an imported one that which its ARN has. */
function familyOf(definition: ecs.ITaskDefinition): string {
  if (definition instanceof ecs.TaskDefinition) {
    return definition.family;
  }
  const arn = definition.taskDefinitionArn;
  if (!Token.isUnresolved(arn)) {
    return arn.split('/').pop()!.split(':')[0];
  }
  return Fn.select(0, Fn.split(':', Fn.select(1, Fn.split('/', arn))));
}

/** IAM's limit for all inline policies of a role. */
const INLINE_POLICIES = 10_240;
/** Lengths of what is known at deployment only; of the rest that which an ARN of a role may have. */
const LENGTHS: Record<string, number> = { 'AWS::Partition': 6, 'AWS::Region': 14, 'AWS::AccountId': 12 };
const UNKNOWN = 90;

/** The message that the tasks' policies are too long for the role, if they are. */
export function tooManyPolicies(role: CfnResource, policies: iam.CfnRolePolicy[]): string[] {
  const own = Stack.of(role).resolve((role as iam.CfnRole).policies);
  const documents = [own, ...policies.map((policy) => Stack.of(policy).resolve(policy.policyDocument))];
  const length = lengthOf(documents);
  if (length <= INLINE_POLICIES) {
    return [];
  }
  return [
    `the policies of its ${policies.length} tasks take about ${length} characters, but IAM allows only ${INLINE_POLICIES} per role: set ` +
      'taskRoles, such as deploy/*, so that the tasks need no policies, or use a second EcsTaskProvider for some of the tasks',
  ];
}

/** The length of a value as JSON without spaces. */
function lengthOf(value: any): number {
  if (Array.isArray(value)) {
    return value.reduce((sum, item) => sum + lengthOf(item) + 1, 2);
  }
  if (value === null || typeof value !== 'object') {
    return JSON.stringify(value).length;
  }
  if (value['Fn::Join']) {
    return value['Fn::Join'][1].reduce((sum: number, item: any) => sum + lengthOf(item) - (typeof item === 'string' ? 2 : 0), 2);
  }
  if (typeof value['Fn::Sub'] === 'string') {
    return value['Fn::Sub'].replace(/\$\{([^}]+)\}/g, (_: string, name: string) => 'x'.repeat(LENGTHS[name] ?? UNKNOWN)).length + 2;
  }
  if (value.Ref) {
    return LENGTHS[value.Ref] ?? UNKNOWN;
  }
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0][0].startsWith('Fn::')) {
    return UNKNOWN;
  }
  return entries.reduce((sum, [key, item]) => sum + key.length + 4 + lengthOf(item), 2);
}
