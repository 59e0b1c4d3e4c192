import { CfnWaitConditionHandle, Duration, Size } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { IConstruct, IDependable } from 'constructs';
import { IEcsTaskProvider } from './provider';

/** A file of environment variables in S3. The execution role must be allowed to read it. */
export interface TaskEnvironmentFile {
  /** The bucket. */
  readonly bucket: s3.IBucket;

  /** The key of the object, which ends in `.env`. */
  readonly objectKey: string;
}

/** Overrides of one container of the task definition. */
export interface EcsTaskContainerOverride {
  /** The name of the container in the task definition. */
  readonly containerName: string;

  /**
   * The command, in place of that of the definition.
   *
   * @default - the command of the definition
   */
  readonly command?: string[];

  /**
   * Variables that are added to those of the definition, or replace those of the same name. A secret belongs in `secrets` of the
   * container in the task definition.
   *
   * @default - none
   */
  readonly environment?: { [name: string]: string };

  /**
   * Files of variables, at most 10.
   *
   * @default - none
   */
  readonly environmentFiles?: TaskEnvironmentFile[];

  /**
   * CPU units.
   *
   * @default - those of the definition
   */
  readonly cpu?: number;

  /**
   * The hard limit of memory in MiB.
   *
   * @default - that of the definition
   */
  readonly memoryLimitMiB?: number;

  /**
   * The soft limit of memory in MiB.
   *
   * @default - that of the definition
   */
  readonly memoryReservationMiB?: number;

  /**
   * The number of GPUs.
   *
   * @default - those of the definition
   */
  readonly gpuCount?: number;
}

/** An update of the stack runs the task only if one of these differs between the old and the new task definition. */
export interface EcsTaskUpdateCriterion {
  /** The name of the container that is compared. */
  readonly containerName: string;

  /**
   * The names of its variables that are compared, plain or from secrets.
   *
   * @default - none
   */
  readonly environmentKeys?: string[];

  /**
   * Compare its image.
   *
   * @default false
   */
  readonly image?: boolean;
}

/** An EBS volume that ECS makes for each task. */
export interface EcsTaskVolume extends ecs.ServiceManagedEBSVolumeConfiguration {
  /** The name of the volume in the task definition, which has `configuredAtLaunch: true` there. */
  readonly name: string;

  /**
   * Delete the volume with its task.
   *
   * @default true
   */
  readonly deleteOnTermination?: boolean;
}

/** Options that an `EcsTask` and an `EcsTaskHook` share. */
export interface EcsTaskOptions {
  /**
   * The function that runs the task.
   *
   * @default - the one of the stack: `EcsTaskProvider.getOrCreate`
   */
  readonly provider?: IEcsTaskProvider;

  /**
   * The command of the container `containerName`.
   *
   * @default - the command of the definition
   */
  readonly command?: string[];

  /**
   * Variables of the container `containerName`, added to those of the definition. A secret belongs in `secrets` of the container in
   * the task definition.
   *
   * @default - none
   */
  readonly environment?: { [name: string]: string };

  /**
   * The container that `command` and `environment` are for.
   *
   * @default - the default container of the definition; needed for an imported definition
   */
  readonly containerName?: string;

  /**
   * Overrides of several containers, or of more than command and environment.
   *
   * @default - nothing
   */
  readonly containerOverrides?: EcsTaskContainerOverride[];

  /**
   * The time to wait for success. After that, the function stops the task and the deployment fails. With 0, the function starts the task
   * and does not wait.
   *
   * More than an hour needs `waitHandle`.
   *
   * @default Duration.seconds(290)
   */
  readonly timeout?: Duration;

  /**
   * The names of the containers that decide about success. `['*']` is all of them.
   *
   * @default - the essential ones
   */
  readonly watchContainers?: string[];

  /**
   * The exit codes that are a success.
   *
   * @default [0]
   */
  readonly successExitCodes?: number[];

  /**
   * Start the task again, this many times, when no container of it ever ran: an image that could not be pulled, no network interface. At
   * most 5. A container that has run is never run again.
   *
   * @default 0
   */
  readonly startRetries?: number;

  /**
   * The log lines of a failed container that the error shows, at most 50.
   *
   * @default 10
   */
  readonly logLines?: number;
}

/** Properties of `EcsTask`. */
export interface EcsTaskProps extends EcsTaskOptions {
  /** The cluster in which the task runs. */
  readonly cluster: ecs.ICluster;

  /** The task definition that runs. */
  readonly taskDefinition: ecs.ITaskDefinition;

  /**
   * The number of tasks, 0 to 10. 0 runs nothing.
   *
   * @default 1
   */
  readonly count?: number;

  /**
   * The container instances to run on, one task each, at most 10.
   *
   * @default - ECS chooses
   */
  readonly containerInstanceArns?: string[];

  /**
   * CPU units of the whole task.
   *
   * @default - those of the definition
   */
  readonly cpu?: number;

  /**
   * Memory of the whole task in MiB.
   *
   * @default - that of the definition
   */
  readonly memoryLimitMiB?: number;

  /**
   * The size of the task's own storage on Fargate, 21 to 200 GiB.
   *
   * @default - that of the definition
   */
  readonly ephemeralStorage?: Size;

  /**
   * The role that the code in the containers has.
   *
   * @default - that of the definition
   */
  readonly taskRole?: iam.IRole;

  /**
   * The role with which ECS pulls the image, reads secrets and writes the log.
   *
   * @default - that of the definition
   */
  readonly executionRole?: iam.IRole;

  /**
   * The launch type. It excludes `capacityProviderStrategies`.
   *
   * @default - FARGATE if the definition is made for it, else EXTERNAL or EC2 as the definition is made for; none where the cluster has a
   * default capacity provider strategy for EC2, or with `service`
   */
  readonly launchType?: ecs.LaunchType;

  /**
   * Capacity providers in place of a launch type, at most 20.
   *
   * @default - none
   */
  readonly capacityProviderStrategies?: ecs.CapacityProviderStrategy[];

  /**
   * The platform version on Fargate.
   *
   * @default - the latest
   */
  readonly platformVersion?: ecs.FargatePlatformVersion;

  /**
   * The VPC of the task's network interface.
   *
   * @default - that of the cluster
   */
  readonly vpc?: ec2.IVpc;

  /**
   * The subnets of the task's network interface, for the network mode awsvpc.
   *
   * @default - the private subnets of `vpc`; with `service` those of the service
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /**
   * The security groups of the task's network interface, at most 5.
   *
   * @default - a new one, to be opened to others by `connections`; with `service` those of the service
   */
  readonly securityGroups?: ec2.ISecurityGroup[];

  /**
   * Give the network interface a public IP address, on Fargate. In a public subnet it needs one to pull its image.
   *
   * @default - true in public subnets, else false
   */
  readonly assignPublicIp?: boolean;

  /**
   * A service in the cluster whose network, platform version and launch type or capacity providers the task takes, where they are not
   * given.
   *
   * The service must exist before the task runs. Do not pass the service whose new image needs this task's work: CloudFormation would
   * deploy it before its migration.
   *
   * @default - none
   */
  readonly service?: ecs.IService;

  /**
   * Rules that a container instance must satisfy, at most 10.
   *
   * @default - none
   */
  readonly placementConstraints?: ecs.PlacementConstraint[];

  /**
   * Strategies by which ECS chooses container instances, at most 5.
   *
   * @default - none
   */
  readonly placementStrategies?: ecs.PlacementStrategy[];

  /**
   * The task group.
   *
   * @default - `family:` and the family
   */
  readonly group?: string;

  /**
   * Tags of the tasks, at most 45. Tags of the stack do not reach them.
   *
   * @default - none
   */
  readonly taskTags?: { [key: string]: string };

  /**
   * From where ECS copies tags to the task: TASK_DEFINITION or NONE.
   *
   * @default - from nowhere
   */
  readonly propagateTags?: ecs.PropagatedTagSource;

  /**
   * Let ECS add tags of its own to the tasks.
   *
   * @default - as ECS has it
   */
  readonly enableECSManagedTags?: boolean;

  /**
   * Let ECS Exec work in the tasks. The task role is granted what it needs.
   *
   * @default false
   */
  readonly enableExecuteCommand?: boolean;

  /**
   * An EBS volume for each task, at most one.
   *
   * @default - none
   */
  readonly volumes?: EcsTaskVolume[];

  /**
   * The time that CloudFormation waits for the answer, at most an hour. The function answers 30 seconds before.
   *
   * @default Duration.hours(1)
   */
  readonly serviceTimeout?: Duration;

  /**
   * The time between two checks of the task, 1 to 60 seconds.
   *
   * @default - 1 second at first, later up to 10
   */
  readonly pollInterval?: Duration;

  /**
   * Run the task on an update of the stack.
   *
   * @default true
   */
  readonly runOnUpdate?: boolean;

  /**
   * Run the task also on an update that is part of a rollback. A rollback has the old definition: the migration of an old image often
   * refuses the new schema, and the stack then ends in UPDATE_ROLLBACK_FAILED.
   *
   * @default false
   */
  readonly runOnRollback?: boolean;

  /**
   * An update runs the task only if one of these is met.
   *
   * @default - every update of the task's properties runs it
   */
  readonly updateCriteria?: EcsTaskUpdateCriterion[];

  /**
   * Make the last line that the container logs the attribute `output`. It needs the log driver awslogs.
   *
   * @default false
   */
  readonly returnOutput?: boolean;

  /**
   * Let CloudFormation mask the attributes. The error of a failed task is not masked: set `logLines` to 0 where a log may have a
   * secret.
   *
   * @default false
   */
  readonly noEcho?: boolean;

  /**
   * A handle for a task of up to twelve hours: the resource is complete when the task has started, and its end is signalled to the
   * handle. See `addWaitCondition`.
   *
   * A handle works only once: give handle, task and condition a new ID with each release.
   *
   * @default - none
   */
  readonly waitHandle?: CfnWaitConditionHandle;

  /**
   * Any values: a change in them makes an update run the task. A change of the task definition does so by itself.
   *
   * @default - none
   */
  readonly triggers?: { [name: string]: string };

  /**
   * The task waits for these, such as a database. It finds by itself the roles' policies, routes and rules that it needs.
   *
   * @default - none
   */
  readonly executeAfter?: IDependable[];

  /**
   * These wait for the task, such as a service.
   *
   * @default - none
   */
  readonly executeBefore?: IConstruct[];
}
