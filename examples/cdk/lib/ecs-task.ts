import { CustomResource, Duration, Fn, Lazy } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct, IDependable } from 'constructs';

/** What differs from the task definition for one container. */
export interface ContainerOverride {
  /** The container, or its name in a task definition of another stack. */
  readonly container: ecs.ContainerDefinition | string;
  readonly command?: string[];
  readonly environment?: Record<string, string>;
  readonly cpu?: number;
  readonly memoryLimitMiB?: number;
  readonly memoryReservationMiB?: number;
}

/** An update runs only if one of these differs between the old and the new task definition. */
export interface UpdateCriterion {
  readonly container: ecs.ContainerDefinition | string;
  /** Names of variables, plain or from secrets. */
  readonly environmentKeys?: string[];
  /** Whether the image is compared. */
  readonly image?: boolean;
}

export interface EcsTaskProps {
  /** ARN of the function. Default: the export of a stack `ecs-tasks` made from cfn/provider.yml. */
  readonly serviceToken?: string;
  readonly cluster: ecs.ICluster;
  readonly taskDefinition: ecs.TaskDefinition;
  /** Where the task's network interface goes, for the network mode awsvpc. Default: private subnets. */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /** Default: a new security group, to be opened to others by `connections`. */
  readonly securityGroups?: ec2.ISecurityGroup[];
  /** Default: false; a task in a public subnet needs it to pull its image. */
  readonly assignPublicIp?: boolean;
  /** Default: FARGATE for a Fargate definition, else EC2; not with capacityProviderStrategies. */
  readonly launchType?: ecs.LaunchType;
  readonly capacityProviderStrategies?: ecs.CapacityProviderStrategy[];
  readonly platformVersion?: ecs.FargatePlatformVersion;
  /** How many tasks, 0 to 10. Default: 1. */
  readonly count?: number;
  /** How long to wait for success. Default: 290 s; at most an hour. */
  readonly timeout?: Duration;
  /** Whether an update runs. Default: true. */
  readonly runOnUpdate?: boolean;
  /** Whether an update that is part of a rollback runs. Default: true; false for migrations. */
  readonly runOnRollback?: boolean;
  readonly updateCriteria?: UpdateCriterion[];
  readonly containerOverrides?: ContainerOverride[];
  /** Only these containers decide. Default: all. */
  readonly watchContainers?: (ecs.ContainerDefinition | string)[];
  /** Default: [0]. */
  readonly successExitCodes?: number[];
  /** How often to start anew when no container ever ran. Default: 0. */
  readonly startRetries?: number;
  /** How many log lines of a failed container the deploy's error shows. Default: 10. */
  readonly logLines?: number;
  /** Whether the last line that the container logs becomes `output`. Default: false. */
  readonly returnOutput?: boolean;
  /** Anything: a change in it makes an update run. */
  readonly triggers?: Record<string, string>;
}

/**
 * A task that runs inside the deploy: `Custom::ECSTask`.
 *
 * To make another resource wait for it, give that one `node.addDependency(task)`. The task itself waits for what it
 * needs and its properties do not refer to: the policies of its roles and the routes of its subnets. `runAfter` adds
 * more.
 */
export class EcsTask extends Construct implements ec2.IConnectable {
  /** Security groups of the task, to open a database to. */
  public readonly connections: ec2.Connections;
  public readonly taskArn: string;
  public readonly taskDefinitionArn: string;
  public readonly exitCode: string;
  public readonly startedAt: string;
  public readonly stoppedAt: string;
  public readonly seconds: string;
  public readonly logGroup: string;
  public readonly logStream: string;
  /** With `returnOutput`, the last line that the container logged. */
  public readonly output: string;
  /** `true` if the last deploy ran tasks. */
  public readonly ran: string;
  private readonly resource: CustomResource;

  constructor(scope: Construct, id: string, props: EcsTaskProps) {
    super(scope, id);
    const { cluster, taskDefinition } = props;
    if (props.launchType && props.capacityProviderStrategies) {
      throw new Error('launchType cannot be given together with capacityProviderStrategies');
    }
    const isAwsvpc = taskDefinition.networkMode === ecs.NetworkMode.AWS_VPC;
    const subnets = isAwsvpc ? cluster.vpc.selectSubnets(props.vpcSubnets) : undefined;
    this.connections = new ec2.Connections({
      securityGroups: isAwsvpc
        ? (props.securityGroups ?? [new ec2.SecurityGroup(this, 'SecurityGroup', { vpc: cluster.vpc })])
        : [],
    });
    const launchType =
      props.launchType ?? (taskDefinition.isFargateCompatible ? ecs.LaunchType.FARGATE : ecs.LaunchType.EC2);

    this.resource = new CustomResource(this, 'Resource', {
      resourceType: 'Custom::ECSTask',
      serviceToken: props.serviceToken ?? Fn.importValue('ecs-tasks-FunctionArn'),
      // After Timeout the function stops the task, which can take two minutes, and then answers.
      serviceTimeout: props.timeout && Duration.seconds(Math.min(props.timeout.toSeconds() + 180, 3600)),
      properties: {
        Cluster: cluster.clusterArn,
        TaskDefinition: taskDefinition.taskDefinitionArn,
        LaunchType: props.capacityProviderStrategies ? undefined : launchType,
        CapacityProviderStrategy: props.capacityProviderStrategies?.map((strategy) => ({
          CapacityProvider: strategy.capacityProvider,
          Weight: strategy.weight,
          Base: strategy.base,
        })),
        PlatformVersion: props.platformVersion,
        NetworkConfiguration: subnets && {
          AwsvpcConfiguration: {
            Subnets: subnets.subnetIds,
            SecurityGroups: Lazy.list({
              produce: () => this.connections.securityGroups.map((group) => group.securityGroupId),
            }),
            AssignPublicIp: props.assignPublicIp ? 'ENABLED' : 'DISABLED',
          },
        },
        Count: props.count,
        Timeout: props.timeout?.toSeconds(),
        RunOnUpdate: props.runOnUpdate,
        RunOnRollback: props.runOnRollback,
        UpdateCriteria: props.updateCriteria?.map((criterion) => ({
          Container: nameOf(criterion.container),
          EnvironmentKeys: criterion.environmentKeys,
          Image: criterion.image,
        })),
        Overrides: props.containerOverrides && {
          ContainerOverrides: props.containerOverrides.map((override) => ({
            Name: nameOf(override.container),
            Command: override.command,
            Environment:
              override.environment &&
              Object.entries(override.environment).map(([Name, Value]) => ({ Name, Value })),
            Cpu: override.cpu,
            Memory: override.memoryLimitMiB,
            MemoryReservation: override.memoryReservationMiB,
          })),
        },
        WatchContainers: props.watchContainers?.map(nameOf),
        SuccessExitCodes: props.successExitCodes,
        StartRetries: props.startRetries,
        LogLines: props.logLines,
        ReturnOutput: props.returnOutput,
        Triggers: props.triggers,
      },
    });

    // A grant to a role is a policy beside the role, and a subnet's way out is a route beside the subnet. A task
    // that starts before them may not read its secrets, or cannot pull its image.
    this.runAfter(taskDefinition.taskRole, taskDefinition.obtainExecutionRole());
    for (const subnet of subnets?.subnets ?? []) {
      // Its route and its route table association. The subnet itself is among the properties.
      const beside = subnet.node.children.filter((child) => !(child instanceof ec2.CfnSubnet));
      this.runAfter(...beside);
    }

    this.taskArn = this.resource.getAttString('TaskArn');
    this.taskDefinitionArn = this.resource.getAttString('TaskDefinitionArn');
    this.exitCode = this.resource.getAttString('ExitCode');
    this.startedAt = this.resource.getAttString('StartedAt');
    this.stoppedAt = this.resource.getAttString('StoppedAt');
    this.seconds = this.resource.getAttString('Seconds');
    this.logGroup = this.resource.getAttString('LogGroup');
    this.logStream = this.resource.getAttString('LogStream');
    this.output = this.resource.getAttString('Output');
    this.ran = this.resource.getAttString('Ran');
  }

  /**
   * Makes the task wait for these, such as a database with the rule that lets the task in. `node.addDependency` would
   * make the construct's security group wait, too, and a rule that names it would close a circle.
   */
  public runAfter(...others: IDependable[]): void {
    this.resource.node.addDependency(...others);
  }
}

function nameOf(container: ecs.ContainerDefinition | string): string {
  return typeof container === 'string' ? container : container.containerName;
}
