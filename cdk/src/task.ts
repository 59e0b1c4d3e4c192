import {
  Annotations,
  CfnCustomResource,
  CfnWaitCondition,
  CustomResource,
  Duration,
  Fn,
  Stack,
  Token,
} from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct, Dependable, IConstruct, IDependable } from 'constructs';
import { elsewhere, mistakesIn, mistakesInRendered, timeoutOf } from './checks';
import { dependentsIn, known, surroundingsOf, TYPE } from './dependencies';
import { grantStart } from './grants';
import { EcsTaskHook, EcsTaskHookOptions } from './hook';
import { deployedStack } from './names';
import { Placement, renderLaunchType } from './network';
import { renderOverrides } from './overrides';
import { EcsTaskProps, EcsTaskVolume } from './props';
import { EcsTaskProvider, IEcsTaskProvider } from './provider';

/** A task that is stopped at its timeout may take minutes to end, and a condition waits for twelve hours at most. */
const STOPPING = 300;
const TWELVE_HOURS = 43_200;
/** ECS Exec opens a session of Systems Manager. */
const EXEC_ACTIONS = ['CreateControlChannel', 'CreateDataChannel', 'OpenControlChannel', 'OpenDataChannel'];

/**
 * An ECS task that runs inside the deployment: the deployment waits for it, and fails with it.
 *
 * It runs when the stack is created, and on each update that changes its properties, such as a new revision of the task definition.
 */
export class EcsTask extends Construct implements ec2.IConnectable {
  /**
   * Runs a task in each deployment of a service, as a lifecycle hook of it: also where a pipeline deploys without CloudFormation. See
   * `EcsTaskHook`.
   */
  public static onDeploymentOf(service: ecs.BaseService, id: string, options: EcsTaskHookOptions = {}): EcsTaskHook {
    return new EcsTaskHook(service, id, { service, ...options });
  }

  /** The function that runs the task. */
  public readonly provider: IEcsTaskProvider;

  /** The security groups of the task, to open a database to. */
  public readonly connections: ec2.Connections;

  private readonly resource: CustomResource;
  private readonly overrides: any;
  private readonly properties: Record<string, any>;
  private readonly volumeRoles: iam.IRole[] = [];
  private readonly passedRoles: iam.IRole[] = [];
  private condition?: CfnWaitCondition;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: EcsTaskProps,
  ) {
    super(scope, id);
    this.provider = props.provider ?? EcsTaskProvider.getOrCreate(this);
    const reason = elsewhere(this, this.provider);
    if (reason) {
      throw this.error(reason);
    }
    const placement = new Placement(this, props);
    this.connections = placement.connections;
    this.overrides = renderOverrides(props);
    this.properties = this.render(placement);

    this.resource = new CustomResource(this, 'Resource', {
      resourceType: TYPE,
      serviceToken: this.provider.functionArn,
      serviceTimeout: serviceTimeout(props),
      properties: this.properties,
    });
    if (props.enableExecuteCommand) {
      this.grantExecuteCommand();
    }
    this.waitForSurroundings(placement);
    // An order against this construct is one against the task: its security group may be part of what the task waits for.
    const roots = () => (this.condition ? [this.resource, this.condition] : [this.resource]);
    Dependable.implement(this, {
      get dependencyRoots() {
        return roots();
      },
    });
    this.executeAfter(...(props.executeAfter ?? []));
    this.executeBefore(...(props.executeBefore ?? []));
    this.node.addValidation({ validate: () => this.mistakes(placement) });
  }

  /** The ARN of the task, of the first where there are several. */
  public get taskArn(): string {
    return this.attribute('TaskArn');
  }

  /** The ARNs of all tasks. */
  public get taskArns(): string[] {
    return Fn.split(',', this.attribute('TaskArns'));
  }

  /** The revision of the task definition that ran. */
  public get taskDefinitionArn(): string {
    return this.attribute('TaskDefinitionArn');
  }

  /** The exit code of the first container that decides. */
  public get exitCode(): string {
    return this.attribute('ExitCode');
  }

  /** The time at which the first container started, in RFC 3339. */
  public get startedAt(): string {
    return this.attribute('StartedAt');
  }

  /** The time at which the last container ended, in RFC 3339. */
  public get stoppedAt(): string {
    return this.attribute('StoppedAt');
  }

  /** The seconds from `startedAt` to `stoppedAt`. */
  public get seconds(): string {
    return this.attribute('Seconds');
  }

  /** The log group of the container that decides. */
  public get logGroupName(): string {
    return this.attribute('LogGroup');
  }

  /** The log stream of the container that decides. */
  public get logStreamName(): string {
    return this.attribute('LogStream');
  }

  /** The last line that the container logged, of at most 1,024 characters. It needs `returnOutput`. */
  public get output(): string {
    if (!this.props.returnOutput) {
      throw this.error('output is always empty, since returnOutput is not set: set it to true');
    }
    if (this.props.waitHandle) {
      throw this.error('output is always empty, because the task ends after its resource is complete: read the attribute Data of the WaitCondition');
    }
    if (timeoutOf(this.props) === 0) {
      throw this.error('output is always empty, because a timeout of 0 does not wait for the task: raise it');
    }
    return this.attribute('Output');
  }

  /** `true` if the last deployment ran tasks, `false` if there was nothing to run. */
  public get ran(): string {
    return this.attribute('Ran');
  }

  /**
   * Makes the task wait for these, such as a database. It waits for the policies of its roles, its routes and its security group's rules
   * without being told.
   */
  public executeAfter(...dependencies: IDependable[]): void {
    this.resource.node.addDependency(...dependencies);
  }

  /**
   * Makes these wait for the task, such as the service that needs the new schema.
   *
   * In a construct with ECS services or tasks, only those wait. In any other construct, everything waits except security groups, roles,
   * task definitions and log groups, because the task may need those itself.
   */
  public executeBefore(...scopes: IConstruct[]): void {
    for (const scope of scopes) {
      if (this.node.scopes.includes(scope)) {
        throw this.error(`the task is part of ${scope.node.path}, so it cannot be executed before it: pass the constructs that should wait`);
      }
      for (const dependent of dependentsIn(scope)) {
        dependent.node.addDependency(this);
      }
    }
  }

  /**
   * Lets the function pass more roles to the task: those of a task definition that was imported without its roles.
   */
  public grantPassRole(...roles: iam.IRole[]): void {
    this.passedRoles.push(...roles);
  }

  /**
   * Adds the condition that waits for the end of a task with `waitHandle`, and what is executed after the task waits for it.
   */
  public addWaitCondition(id: string): CfnWaitCondition {
    const { waitHandle } = this.props;
    if (!waitHandle) {
      throw this.error('a WaitCondition needs waitHandle: add it to the properties');
    }
    const timeout = timeoutOf(this.props);
    this.condition = new CfnWaitCondition(this, id, {
      handle: waitHandle.ref,
      timeout: String(timeout === undefined ? TWELVE_HOURS : Math.min(timeout + STOPPING, TWELVE_HOURS)),
      count: 1,
    });
    this.condition.node.addDependency(this.resource);
    return this.condition;
  }

  private attribute(name: string): string {
    return this.resource.getAttString(name);
  }

  private render(placement: Placement): Record<string, any> {
    const { props } = this;
    return {
      Cluster: props.cluster.clusterArn,
      TaskDefinition: props.taskDefinition.taskDefinitionArn,
      Count: props.count,
      Instances: props.containerInstanceArns,
      Timeout: props.timeout?.toSeconds(),
      PollInterval: props.pollInterval?.toSeconds(),
      RunOnUpdate: props.runOnUpdate,
      // Written also where it is the default: a function of another version may have another one.
      RunOnRollback: props.runOnRollback ?? false,
      UpdateCriteria: props.updateCriteria?.map((criterion) => ({
        Container: criterion.containerName,
        EnvironmentKeys: criterion.environmentKeys,
        Image: criterion.image,
      })),
      Overrides: this.overrides,
      LaunchType: renderLaunchType(props, placement.launchType),
      PlatformVersion: props.platformVersion,
      NetworkConfiguration: placement.render(props),
      CapacityProviderStrategy: props.capacityProviderStrategies?.map((strategy) => ({
        CapacityProvider: strategy.capacityProvider,
        Weight: strategy.weight,
        Base: strategy.base,
      })),
      PlacementConstraints: props.placementConstraints
        ?.flatMap((constraint) => constraint.toJson())
        .map(({ type, expression }) => ({ Type: type, Expression: expression })),
      PlacementStrategy: props.placementStrategies
        ?.flatMap((strategy) => strategy.toJson())
        .map(({ type, field }) => ({ Type: type, Field: field })),
      Group: props.group,
      Tags: props.taskTags && Object.entries(props.taskTags).map(([Key, Value]) => ({ Key, Value })),
      PropagateTags: props.propagateTags,
      EnableECSManagedTags: props.enableECSManagedTags,
      EnableExecuteCommand: props.enableExecuteCommand,
      VolumeConfigurations: props.volumes?.map((volume) => this.renderVolume(volume)),
      Service: props.service?.serviceName,
      WatchContainers: props.watchContainers,
      SuccessExitCodes: props.successExitCodes,
      StartRetries: props.startRetries,
      LogLines: props.logLines,
      NoEcho: props.noEcho,
      WaitHandle: props.waitHandle?.ref,
      ReturnOutput: props.returnOutput,
      Triggers: props.triggers,
    };
  }

  private renderVolume(volume: EcsTaskVolume): any {
    const role = volume.role ?? this.volumeRole();
    this.volumeRoles.push(role);
    return {
      Name: volume.name,
      ManagedEBSVolume: {
        Encrypted: volume.encrypted,
        KmsKeyId: volume.kmsKeyId?.keyArn,
        VolumeType: volume.volumeType,
        SizeInGiB: volume.size?.toGibibytes(),
        SnapshotId: volume.snapShotId,
        VolumeInitializationRate: volume.volumeInitializationRate?.toMebibytes(),
        Iops: volume.iops,
        Throughput: volume.throughput,
        TagSpecifications: volume.tagSpecifications?.map(({ tags, propagateTags }) => ({
          ResourceType: 'volume',
          Tags: tags && Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
          PropagateTags: propagateTags,
        })),
        RoleArn: role.roleArn,
        TerminationPolicy:
          volume.deleteOnTermination === undefined ? undefined : { DeleteOnTermination: volume.deleteOnTermination },
        FilesystemType: volume.fileSystemType,
      },
    };
  }

  private volumeRole(): iam.Role {
    return new iam.Role(this, 'VolumeRole', {
      assumedBy: new iam.ServicePrincipal('ecs.amazonaws.com'),
      managedPolicies: [
        iam.ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonECSInfrastructureRolePolicyForVolumes'),
      ],
    });
  }

  private grantExecuteCommand(): void {
    for (const role of this.taskRoles()) {
      role.addToPrincipalPolicy(
        new iam.PolicyStatement({ actions: EXEC_ACTIONS.map((action) => `ssmmessages:${action}`), resources: ['*'] }),
      );
    }
  }

  /** The task's own roles, as far as they are known. */
  private taskRoles(): iam.IRole[] {
    return this.props.taskRole ? [this.props.taskRole] : known(() => this.props.taskDefinition.taskRole);
  }

  private roles(): iam.IRole[] {
    const { executionRole, taskDefinition } = this.props;
    const execution = executionRole ?? known(() => taskDefinition.executionRole)[0];
    return [...this.taskRoles(), ...(execution ? [execution] : []), ...this.passedRoles];
  }

  /** The task waits for the provider as a whole, since the function needs its rules and table until the resource is deleted. */
  private waitForSurroundings(placement: Placement): void {
    const { cluster, taskDefinition } = this.props;
    if (this.provider.role) {
      const grant = { cluster, taskDefinition, taskRoles: () => this.roles(), volumeRoles: () => this.volumeRoles };
      const policy = grantStart(this, this.provider.role, grant);
      this.executeAfter(policy);
      if (this.provider instanceof EcsTaskProvider) {
        this.provider._addStartPolicy(policy);
      }
    }
    if (this.provider instanceof EcsTaskProvider) {
      this.executeAfter(this.provider);
    }
    const surroundings = {
      cluster,
      roles: () => [...this.roles(), ...this.volumeRoles],
      subnets: placement.subnets?.subnets ?? [],
      vpc: placement.vpc,
      securityGroups: () => this.connections.securityGroups,
    };
    this.executeAfter(surroundingsOf(this.resource.node.defaultChild as CfnCustomResource, surroundings));
  }

  private mistakes(placement: Placement): string[] {
    this.warn();
    const stack = Stack.of(this);
    const rendered = mistakesInRendered(stack.resolve(this.properties), stack.resolve(this.overrides));
    return [...mistakesIn(this.props, placement), ...rendered, ...this.withoutCondition()];
  }

  private warn(): void {
    const { taskDefinition } = this.props;
    const isKnown = taskDefinition instanceof ecs.TaskDefinition || this.roles().length > 0;
    if (this.provider.role && !isKnown) {
      Annotations.of(this).addWarningV2(
        'cdk-ecs-tasks:unknown-roles',
        `the roles of the imported task definition ${taskDefinition.node.path} are not known, so this app cannot let the function pass them: call ` +
          'grantPassRole with its task role and execution role, or import it with fromTaskDefinitionAttributes',
      );
    }
  }

  /** Without a condition nobody waits for a task with a handle. */
  private withoutCondition(): string[] {
    const { waitHandle } = this.props;
    if (!waitHandle || this.condition) {
      return [];
    }
    const waits = deployedStack(this)
      .node.findAll()
      .some(
        (other) =>
          other instanceof CfnWaitCondition &&
          JSON.stringify(Stack.of(other).resolve(other.handle)) === JSON.stringify(Stack.of(other).resolve(waitHandle.ref)),
      );
    return waits ? [] : ['no WaitCondition waits for waitHandle, so the deployment continues before the task has ended: call addWaitCondition'];
  }

  private error(message: string): Error {
    return new Error(`[${this.node.path}] ${message}`);
  }
}

/** CustomResource refuses a wrong ServiceTimeout by itself, with a message of its own: then the validation says it. */
function serviceTimeout(props: EcsTaskProps): Duration | undefined {
  const { serviceTimeout: limit } = props;
  if (!limit || limit.isUnresolved() || Token.isUnresolved(limit.toSeconds())) {
    return limit;
  }
  return limit.toSeconds() >= 1 && limit.toSeconds() <= 3600 ? limit : undefined;
}
