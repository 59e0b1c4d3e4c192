import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CfnResource, Stack, Token } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as assets from 'aws-cdk-lib/aws-s3-assets';
import * as sns from 'aws-cdk-lib/aws-sns';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { Construct, Dependable, IConstruct } from 'constructs';
import { TASK_STATEMENTS, tooManyPolicies } from './grants';
import { physicalName } from './names';
import { acknowledge } from './nag';
import { providerTemplate, specialize, Template } from './template';

const PACKAGE = join(__dirname, '..');
const ARCHITECTURES = ['x86_64', 'arm64'];
/** Function names have at most 64 characters, and the longest suffix of the template's names is `-ecsTasks`. */
const NAME_LENGTH = 64 - '-ecsTasks'.length;
const PATTERN = /^[A-Za-z0-9_+=,.@/*?#-]+$/;
const LOG_LEVELS = [lambda.ApplicationLogLevel.TRACE, lambda.ApplicationLogLevel.DEBUG, lambda.ApplicationLogLevel.INFO];

/** A function that serves `Custom::ECSTask`. */
export interface IEcsTaskProvider extends IConstruct {
  /** The function's ARN, which is the service token of its tasks. */
  readonly functionArn: string;

  /**
   * The function's role, to which each `EcsTask` grants what its task needs.
   *
   * @default - unknown, and nothing is granted
   */
  readonly role?: iam.IRole;

  /**
   * The role by which ECS invokes the function in deployments of services.
   *
   * @default - each `EcsTaskHook` creates one
   */
  readonly hookRole?: iam.IRole;
}

/** A provider that another stack or another app has deployed. */
export interface EcsTaskProviderAttributes {
  /** The function's ARN. The function must be in the Region and account of the stack. */
  readonly functionArn: string;

  /**
   * The function's role, if the tasks of this app shall grant it what they need.
   *
   * @default - nothing is granted: the role must already allow it
   */
  readonly role?: iam.IRole;

  /**
   * The role by which ECS invokes the function in deployments of services, such as the export `ecs-tasks-HookRoleArn` of the stack
   * `ecs-tasks`.
   *
   * @default - each `EcsTaskHook` creates one
   */
  readonly hookRole?: iam.IRole;
}

/** Properties of `EcsTaskProvider`. */
export interface EcsTaskProviderProps {
  /**
   * The architecture of the function. It is independent of that of the tasks.
   *
   * @default lambda.Architecture.X86_64
   */
  readonly architecture?: lambda.Architecture;

  /**
   * The clusters in which the function may look at tasks and stop them, by name. `*` matches any text, as in `prod-*`.
   *
   * Starting a task is granted by each `EcsTask`, for its own cluster alone. The function stops a task of an earlier deployment also in
   * a cluster that the `EcsTask` no longer names.
   *
   * @default '*'
   */
  readonly clusters?: string;

  /**
   * The roles that the function may pass to any task, by path and name, as in `deploy/*`. `*` matches any text.
   *
   * Set it on a provider of many tasks, or of templates and apps that cannot grant their own: see `EcsTaskProvider.fromFunctionArn`. The
   * provider may then start any task with such a role.
   *
   * @default - none, each `EcsTask` of this app grants the roles of its own task
   */
  readonly taskRoles?: string;

  /**
   * The log groups whose last lines the function may show when a task fails, by name. `*` matches any text.
   *
   * @default '*'
   */
  readonly taskLogGroups?: string;

  /**
   * Keep requests in a DynamoDB table, so that no invocation runs while a task does.
   *
   * @default true
   */
  readonly ledger?: boolean;

  /**
   * Let `EcsTaskHook` use the function: it has a role by which ECS invokes it, and reads the revisions of services.
   *
   * @default true
   */
  readonly hook?: boolean;

  /**
   * Make a CloudWatch dashboard. Three are free in an account.
   *
   * @default true
   */
  readonly dashboard?: boolean;

  /**
   * The topic that the alarms notify, and that gets the reason of each failed hook. It cannot be a FIFO topic. If a key of yours encrypts
   * it, let the function use that key: `encryptionKey` of the provider is allowed already.
   *
   * @default - the alarms show their state in CloudWatch only, and the reasons of failed hooks are in the function's log
   */
  readonly alarmTopic?: sns.ITopic;

  /**
   * The time that CloudWatch keeps the function's log.
   *
   * @default logs.RetentionDays.ONE_MONTH
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * The least level that the function logs: INFO, DEBUG or TRACE. The metrics count as INFO.
   *
   * @default lambda.ApplicationLogLevel.INFO
   */
  readonly logLevel?: lambda.ApplicationLogLevel;

  /**
   * Also add the logical ID of the resource to the function's metrics, as a dimension. Each one costs up to eight metrics.
   *
   * @default false
   */
  readonly metricsByLogicalResourceId?: boolean;

  /**
   * The permissions boundary of the function's role.
   *
   * @default - none
   */
  readonly permissionsBoundary?: iam.IManagedPolicy;

  /**
   * The key that encrypts the table, the queue and the log group. Its policy must let CloudWatch Logs use it.
   *
   * @default - keys of AWS
   */
  readonly encryptionKey?: kms.IKey;

  /**
   * The VPC that the function runs in. It needs a way to AWS's services.
   *
   * @default - none
   */
  readonly vpc?: ec2.IVpc;

  /**
   * The subnets of the function.
   *
   * @default - the private subnets of `vpc`
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /**
   * The security groups of the function.
   *
   * @default - a new one, if `vpc` is given
   */
  readonly securityGroups?: ec2.ISecurityGroup[];

  /**
   * The number of invocations that may run at a time.
   *
   * @default - as many as the account allows
   */
  readonly reservedConcurrentExecutions?: number;
}

/**
 * The Lambda function behind `Custom::ECSTask`, with its table, rules, role, alarms and dashboard.
 *
 * A stack needs one, and `EcsTask` creates it if you pass none.
 */
export class EcsTaskProvider extends Construct implements IEcsTaskProvider {
  /** The provider of the stack, which is created if it does not exist yet. Its path in the stack is always `EcsTaskProvider`. */
  public static getOrCreate(scope: Construct): EcsTaskProvider {
    const stack = Stack.of(scope);
    const existing = stack.node.tryFindChild('EcsTaskProvider');
    return existing instanceof EcsTaskProvider ? existing : new EcsTaskProvider(stack, 'EcsTaskProvider');
  }

  /**
   * A provider that is deployed already, such as the stack `ecs-tasks` of `cfn/provider.yml`.
   *
   * Its role must allow what the tasks need: `taskRoles` of its `EcsTaskProvider`, or the parameter `TaskRoles` of its stack.
   */
  public static fromFunctionArn(scope: Construct, id: string, functionArn: string): IEcsTaskProvider {
    return EcsTaskProvider.fromEcsTaskProviderAttributes(scope, id, { functionArn });
  }

  /** A provider that is deployed already, with its role. */
  public static fromEcsTaskProviderAttributes(
    scope: Construct,
    id: string,
    attributes: EcsTaskProviderAttributes,
  ): IEcsTaskProvider {
    class Import extends Construct implements IEcsTaskProvider {
      public readonly functionArn = attributes.functionArn;
      public readonly role = attributes.role;
      public readonly hookRole = attributes.hookRole;
    }
    return new Import(scope, id);
  }

  /** The function's ARN, which is the service token of its tasks. */
  public readonly functionArn: string;

  /** The function's name. */
  public readonly functionName: string;

  /** The function's role; undefined with `taskRoles`, since its tasks grant nothing then. */
  public readonly role?: iam.IRole;

  /** The role by which ECS invokes the function in deployments of services; undefined with `hook: false`. */
  public readonly hookRole?: iam.IRole;

  /** The network of the function, if it has a VPC. */
  public readonly connections: ec2.Connections;

  private readonly resources: CfnInclude;
  private readonly startPolicies: iam.CfnRolePolicy[] = [];

  constructor(scope: Construct, id: string, props: EcsTaskProviderProps = {}) {
    super(scope, id);
    this.refuse(mistakes(props));
    const architecture = props.architecture ?? lambda.Architecture.X86_64;
    const code = new assets.Asset(this, 'Code', { path: this.zip(architecture) });
    const securityGroups =
      props.securityGroups ?? (props.vpc ? [new ec2.SecurityGroup(this, 'SecurityGroup', { vpc: props.vpc })] : []);
    this.connections = new ec2.Connections({ securityGroups });
    const values = {
      CodeBucket: code.s3BucketName,
      CodeKey: code.s3ObjectKey,
      Architecture: architecture.name,
      Clusters: props.clusters ?? '*',
      TaskRoles: props.taskRoles ?? '*',
      TaskLogGroups: props.taskLogGroups ?? '*',
      Ledger: String(props.ledger ?? true),
      Hook: String(props.hook ?? true),
      Dashboard: String(props.dashboard ?? true),
      AlarmTopic: props.alarmTopic?.topicArn ?? '',
      LogRetentionInDays: retention(props.logRetention),
      LogLevel: props.logLevel ?? lambda.ApplicationLogLevel.INFO,
      MetricsByLogicalResourceId: String(props.metricsByLogicalResourceId ?? false),
      PermissionsBoundary: props.permissionsBoundary?.managedPolicyArn ?? '',
      KmsKey: props.encryptionKey?.keyArn ?? '',
      // Without a VPC the template's own defaults say so.
      ...(props.vpc && {
        VpcSubnets: props.vpc.selectSubnets(props.vpcSubnets).subnetIds,
        VpcSecurityGroups: securityGroups.map((group) => group.securityGroupId),
      }),
      ReservedConcurrency: props.reservedConcurrentExecutions ?? '',
    };
    const template = specialize(providerTemplate(), values, physicalName(this, NAME_LENGTH));
    // Dashboards have one namespace in all Regions of an account, so CloudFormation names this one.
    delete template.Resources.Overview?.Properties.DashboardName;
    if (!props.taskRoles) {
      const [policy] = template.Resources.Role.Properties.Policies;
      policy.PolicyDocument.Statement = policy.PolicyDocument.Statement.filter(
        (statement: any) => !TASK_STATEMENTS.includes(statement.Sid),
      );
    }
    this.resources = include(this, template);
    const handler = this.resource('Function') as lambda.CfnFunction;
    code.addResourceMetadata(handler, 'Code.S3Bucket');
    this.functionArn = handler.attrArn;
    this.functionName = handler.ref;
    this.role = props.taskRoles ? undefined : iam.Role.fromRoleName(this, 'ExecutionRole', this.resource('Role').ref);
    const invoker = template.Resources.HookRole && (this.resource('HookRole') as iam.CfnRole);
    this.hookRole = invoker && iam.Role.fromRoleArn(this, 'HookInvoker', invoker.attrArn, { mutable: false });
    this.node.addValidation({ validate: () => tooManyPolicies(this.resource('Role'), this.startPolicies) });
    acknowledge(this.resources);
    // What waits for the provider refers to the function already, and needs no alarm.
    const isRoot = (one: IConstruct) => CfnResource.isCfnResource(one) && one !== handler && !isWatching(one);
    const roots = this.resources.node.findAll().filter(isRoot);
    Dependable.implement(this, { dependencyRoots: roots });
  }

  /**
   * A resource of the provider by its name in `cfn/provider.yml`, such as `Function`, `Requests` or `Errors`. Change it by its
   * `addPropertyOverride`.
   */
  public resource(name: string): CfnResource {
    return this.resources.getResource(name);
  }

  /**
   * Counts a policy that a task adds to the role.
   *
   * @internal
   */
  public _addStartPolicy(policy: iam.CfnRolePolicy): void {
    this.startPolicies.push(policy);
  }

  /** The path of the zip for an architecture. */
  private zip(architecture: lambda.Architecture): string {
    const path = (name: string) => join(PACKAGE, 'lambda', name, 'ecsTasks.zip');
    if (!existsSync(path(architecture.name))) {
      const there = ARCHITECTURES.filter((name) => existsSync(path(name)));
      this.refuse([
        `this build of cdk-ecs-tasks has no function for ${architecture.name}, only for ${there.join(', ') || 'none'}: ` +
          'set architecture to one that it has, or install a build that has both',
      ]);
    }
    return path(architecture.name);
  }

  private refuse(found: string[]): void {
    if (found.length > 0) {
      throw new Error(`[${this.node.path}] ${found.join('; ')}`);
    }
  }
}

/** The resources as constructs of their types, so that tags and aspects reach them. CfnInclude reads them from a file. */
function include(scope: Construct, template: Template): CfnInclude {
  const folder = mkdtempSync(join(tmpdir(), 'cdk-ecs-tasks-'));
  try {
    const templateFile = join(folder, 'provider.json');
    writeFileSync(templateFile, JSON.stringify({ Resources: template.Resources }));
    return new CfnInclude(scope, 'Resource', { templateFile, preserveLogicalIds: false });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function isWatching(resource: CfnResource): boolean {
  return resource.cfnResourceType.startsWith('AWS::CloudWatch::');
}

function retention(days: logs.RetentionDays | undefined): number | undefined {
  return days === logs.RetentionDays.INFINITE ? undefined : (days ?? logs.RetentionDays.ONE_MONTH);
}

function mistakes(props: EcsTaskProviderProps): string[] {
  const found = [];
  for (const [name, value] of Object.entries({
    clusters: props.clusters,
    taskRoles: props.taskRoles,
    taskLogGroups: props.taskLogGroups,
  })) {
    if (value !== undefined && !Token.isUnresolved(value) && !PATTERN.test(value)) {
      found.push(`${name} must be a name in which * matches any text, not '${value}'`);
    }
  }
  if (props.logLevel && !LOG_LEVELS.includes(props.logLevel)) {
    found.push(`logLevel ${props.logLevel} would leave out the metrics, which count as INFO: set INFO, DEBUG or TRACE`);
  }
  if (props.alarmTopic?.fifo) {
    found.push('alarmTopic is a FIFO topic, but CloudWatch alarms cannot publish to one: use a standard topic');
  }
  const reserved = props.reservedConcurrentExecutions;
  if (reserved !== undefined && !Token.isUnresolved(reserved) && !(Number.isInteger(reserved) && reserved >= 1)) {
    found.push(`reservedConcurrentExecutions must be a whole number of at least 1, not ${reserved}`);
  }
  if (!props.vpc && (props.vpcSubnets || props.securityGroups)) {
    found.push('vpcSubnets and securityGroups need vpc: add it, or leave them out');
  }
  return found;
}
