import { Duration, Size, Stack, Token } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct, IConstruct } from 'constructs';
import { Placement } from './network';
import { containerOverridesOf, containersOf, defaultContainerOf } from './overrides';
import { EcsTaskOptions, EcsTaskProps } from './props';

const HOUR = 3600;
const TWELVE_HOURS = 12 * HOUR;
const DEFAULT_TIMEOUT = 290;
const ANSWER_BEFORE = 30;
const OVERRIDES_LENGTH = 8192;
const OWN_TAG_PREFIX = 'ecs-tasks:';
/** A hook may take a day, and the function answers before. */
const HOOK_LONGEST = 86_340;
/** Stages at which traffic shifts. The enum of the oldest CDK that we take lacks the second. */
const SHIFTING: string[] = ['TEST_TRAFFIC_SHIFT', 'PRE_PRODUCTION_TRAFFIC_SHIFT', 'PRODUCTION_TRAFFIC_SHIFT'];
const SECRETS = /\{\{resolve:(secretsmanager|ssm-secure)/;
/** Parameters that StartTask does not have. */
const NOT_WITH_INSTANCES = [
  'launchType',
  'platformVersion',
  'capacityProviderStrategies',
  'placementConstraints',
  'placementStrategies',
] as const;

/** The mistakes in what a custom resource and a hook have in common. */
function mistakesInOptions(props: EcsTaskOptions, definition?: ecs.ITaskDefinition): string[] {
  return [
    ...range('startRetries', props.startRetries, 0, 5),
    ...range('logLines', props.logLines, 0, 50),
    ...exitCodes(props.successExitCodes),
    ...overrides(props, definition),
    ...(definition ? containers(props, definition) : []),
  ];
}

/** The mistakes in the properties of a task, each with what to do. */
export function mistakesIn(props: EcsTaskProps, placement: Placement): string[] {
  return [
    ...mistakesInOptions(props, props.taskDefinition),
    ...range('count', props.count, 0, 10),
    ...range('pollInterval in seconds', seconds(props.pollInterval), 1, 60),
    ...range('ephemeralStorage in GiB', gibibytes(props.ephemeralStorage), 21, 200),
    ...atMost('containerInstanceArns', props.containerInstanceArns, 10),
    ...atMost('placementConstraints', props.placementConstraints, 10),
    ...atMost('placementStrategies', props.placementStrategies, 5),
    ...atMost('capacityProviderStrategies', props.capacityProviderStrategies, 20),
    ...atMost('volumes', props.volumes, 1),
    ...atMost('vpcSubnets', placement.subnets?.subnetIds, 16),
    ...atMost('securityGroups', placement.connections.securityGroups, 5),
    ...times(props),
    ...launch(props, placement),
    ...strategies(props),
    ...criteria(props),
    ...tags(props),
    ...volumes(props),
    ...service(props),
  ];
}

/** The mistakes in the properties of a hook. */
export function mistakesInHook(
  props: EcsTaskOptions,
  stages: ecs.DeploymentLifecycleStage[],
  definition: ecs.ITaskDefinition,
): string[] {
  const shifting = stages.filter((stage) => SHIFTING.includes(stage));
  return [
    ...mistakesInOptions(props, definition),
    ...range('timeout in seconds', seconds(props.timeout), 1, HOOK_LONGEST),
    ...(stages.length === 0 ? ['lifecycleStages must have at least one element: add one, or leave the property out'] : []),
    ...shifting.map(
      (stage) =>
        `lifecycleStages contains ${stage}, at which ECS invokes the hook repeatedly during a traffic shift, or again in a rollback: set ` +
        'PRE_SCALE_UP, POST_SCALE_UP, RECONCILE_SERVICE, POST_TEST_TRAFFIC_SHIFT or POST_PRODUCTION_TRAFFIC_SHIFT',
    ),
  ];
}

/** What is no mistake, and hardly what is meant. */
export function doubtsAboutHook(stages: ecs.DeploymentLifecycleStage[]): string[] {
  if (stages.length !== 1 || stages[0] !== ecs.DeploymentLifecycleStage.RECONCILE_SERVICE) {
    return [];
  }
  return [
    'ECS invokes RECONCILE_SERVICE only if a deployment begins while several revisions are active, so this hook hardly ever runs: add ' +
      'PRE_SCALE_UP to lifecycleStages',
  ];
}

/** The mistakes that only the rendered properties show. */
export function mistakesInRendered(properties: any, overrides: any): string[] {
  const found: string[] = [];
  const visit = (value: any, path: string): void => {
    if (typeof value === 'string' && SECRETS.test(value)) {
      found.push(
        `CloudFormation does not resolve the reference to a secret at ${path} in a custom resource: put the secret into secrets of ` +
          'the container in the task definition',
      );
    } else if (value !== null && typeof value === 'object') {
      Object.entries(value).forEach(([key, item]) => visit(item, Array.isArray(value) ? `${path}[${key}]` : join(path, key)));
    }
  };
  visit(properties, '');
  const text = JSON.stringify(overrides ?? {});
  const { length } = text;
  // With references in it, its length is known at deployment only.
  if (length > OVERRIDES_LENGTH && !/\{"(Ref|Fn::)/.test(text)) {
    found.push(`the overrides have ${length} characters, but at most ${OVERRIDES_LENGTH} are allowed: move some into the task definition`);
  }
  return found;
}

function join(path: string, key: string): string {
  return path ? `${path}.${key}` : key;
}

/** The seconds that the deployment waits for the task. */
export function timeoutOf(props: EcsTaskOptions): number | undefined {
  return props.timeout ? seconds(props.timeout) : DEFAULT_TIMEOUT;
}

function times(props: EcsTaskProps): string[] {
  const timeout = timeoutOf(props);
  const limit = props.serviceTimeout ? seconds(props.serviceTimeout) : HOUR;
  const found = range('serviceTimeout in seconds', seconds(props.serviceTimeout), 1, HOUR);
  if (timeout === undefined) {
    return found;
  }
  if (props.waitHandle) {
    return [...found, ...range('timeout in seconds', timeout, 0, TWELVE_HOURS)];
  }
  if (timeout > HOUR) {
    found.push(
      `timeout (${timeout} s) exceeds ${HOUR} s, the longest that CloudFormation waits for a custom resource: lower it, or use ` +
        'waitHandle, and call addWaitCondition',
    );
  } else if (limit !== undefined && timeout > limit) {
    found.push(
      `timeout (${timeout} s) is longer than serviceTimeout (${limit} s), so CloudFormation stops waiting before the task ends: raise ` +
        `serviceTimeout to at least ${Math.min(timeout + ANSWER_BEFORE, HOUR)} s`,
    );
  }
  return found;
}

function launch(props: EcsTaskProps, placement: Placement): string[] {
  const found: string[] = [];
  const { launchType } = placement;
  const mode = placement.networkMode;
  const name = props.taskDefinition.node.id;
  if (props.launchType && props.capacityProviderStrategies) {
    found.push('launchType cannot be given together with capacityProviderStrategies: leave one of them out');
  }
  if (props.containerInstanceArns) {
    const given = NOT_WITH_INSTANCES.filter((key) => props[key] !== undefined);
    found.push(
      ...given.map((key) => `${key} cannot be given together with containerInstanceArns: leave one of them out`),
    );
  }
  if (placement.isFargate && !props.taskDefinition.isFargateCompatible) {
    found.push(`${name} is not made for Fargate: set its compatibility to FARGATE, or launchType to EC2`);
  }
  if (launchType === ecs.LaunchType.EC2 && !props.taskDefinition.isEc2Compatible) {
    found.push(`${name} is not made for EC2: set its compatibility to EC2_AND_FARGATE, or launchType to FARGATE`);
  }
  if (props.platformVersion && launchType && launchType !== ecs.LaunchType.FARGATE) {
    found.push(`only Fargate has a platformVersion, but launchType is ${launchType}: leave it out, or set launchType to FARGATE`);
  }
  if (props.assignPublicIp && launchType && launchType !== ecs.LaunchType.FARGATE) {
    found.push(`only a task on Fargate can have a public IP address, but launchType is ${launchType}: leave assignPublicIp out`);
  }
  const network = ['vpcSubnets', 'securityGroups', 'assignPublicIp'] as const;
  if (!props.service && mode && mode !== ecs.NetworkMode.AWS_VPC) {
    const given = network.filter((key) => props[key] !== undefined);
    found.push(
      ...given.map((key) => `only the network mode awsvpc takes ${key}, but ${name} has ${mode}: leave it out, or set networkMode`),
    );
  }
  if (props.propagateTags === ecs.PropagatedTagSource.SERVICE) {
    found.push('propagateTags cannot be SERVICE, because no service starts the task: set TASK_DEFINITION');
  }
  return found;
}

function strategies(props: EcsTaskProps): string[] {
  return (props.capacityProviderStrategies ?? []).flatMap((strategy, index) => [
    ...range(`capacityProviderStrategies[${index}].weight`, strategy.weight, 0, 1000),
    ...range(`capacityProviderStrategies[${index}].base`, strategy.base, 0, 100_000),
  ]);
}

function exitCodes(codes: number[] | undefined): string[] {
  if (!codes || Token.isUnresolved(codes)) {
    return [];
  }
  if (codes.length === 0) {
    return ['successExitCodes must have at least one element: add one, or leave the property out'];
  }
  return codes.flatMap((code, index) => range(`successExitCodes[${index}]`, code, 0, 255));
}

function criteria(props: EcsTaskProps): string[] {
  if (props.updateCriteria?.length === 0) {
    return ['updateCriteria must have at least one element: add one, or leave the property out'];
  }
  return (props.updateCriteria ?? []).flatMap(({ environmentKeys, image }, index) => {
    if (environmentKeys?.length === 0) {
      return [`updateCriteria[${index}].environmentKeys must have at least one element: add one, or leave the property out`];
    }
    return environmentKeys || image ? [] : [`updateCriteria[${index}] compares nothing: set environmentKeys, or set image to true`];
  });
}

/** Names of containers, compared with those of the definition. */
function containers(props: EcsTaskOptions & Partial<EcsTaskProps>, definition: ecs.ITaskDefinition): string[] {
  const there = containersOf(definition);
  if (!there || there.some((name) => Token.isUnresolved(name))) {
    return [];
  }
  if (there.length === 0) {
    return [`${definition.node.id} has no containers: call its addContainer method`];
  }
  const lists = {
    containerName: props.containerName ? [props.containerName] : [],
    containerOverrides: (props.containerOverrides ?? []).map(({ containerName }) => containerName),
    updateCriteria: (props.updateCriteria ?? []).map(({ containerName }) => containerName),
    watchContainers: Token.isUnresolved(props.watchContainers) ? [] : (props.watchContainers ?? []).filter((name) => name !== '*'),
  };
  return Object.entries(lists).flatMap(([list, names]) =>
    names
      .filter((name) => !Token.isUnresolved(name) && !there.includes(name))
      .map((name) => `${list} names the container ${name}, but ${definition.node.id} has only ${there.join(', ')}`),
  );
}

function overrides(props: EcsTaskOptions, definition?: ecs.ITaskDefinition): string[] {
  const found: string[] = [];
  const isShort = props.command !== undefined || props.environment !== undefined;
  if (isShort && !props.containerName && definition && !defaultContainerOf(definition)) {
    found.push('command and environment need containerName, because the containers of the task definition are not known: add it');
  }
  if (!isShort && props.containerName) {
    found.push('containerName only selects the container for command and environment: set one of them, or leave containerName out');
  }
  const names = definition ? containerOverridesOf(props, definition).map(({ containerName }) => containerName) : [];
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  found.push(...new Set(twice.map((name) => `the container ${name} has two sets of overrides: merge them into containerOverrides`)));
  for (const { containerName, environmentFiles, cpu, memoryLimitMiB, memoryReservationMiB } of props.containerOverrides ?? []) {
    found.push(...atMost(`containerOverrides of ${containerName}: environmentFiles`, environmentFiles, 10));
    found.push(...range(`containerOverrides of ${containerName}: cpu`, cpu, 0, Number.MAX_SAFE_INTEGER));
    if (isAbove(memoryReservationMiB, memoryLimitMiB)) {
      found.push(
        `containerOverrides of ${containerName}: memoryReservationMiB of ${memoryReservationMiB} exceeds memoryLimitMiB of ` +
          `${memoryLimitMiB}: lower it`,
      );
    }
  }
  return found;
}

function tags(props: EcsTaskProps): string[] {
  const entries = Object.entries(props.taskTags ?? {});
  return [
    ...atMost('taskTags', entries, 45),
    ...entries.flatMap(([key, value]) => [
      ...longest(`the key of the tag ${key}`, key, 128),
      ...longest(`the value of the tag ${key}`, value, 256),
      ...(key.startsWith(OWN_TAG_PREFIX)
        ? [`the tag ${key} begins with ${OWN_TAG_PREFIX}, which is for the function's own tags: rename it`]
        : []),
    ]),
  ];
}

function volumes(props: EcsTaskProps): string[] {
  return (props.volumes ?? []).flatMap((volume) => [
    ...(volume.size || volume.snapShotId ? [] : [`the volume ${volume.name} needs size or snapShotId: add one`]),
    ...range(`the size of the volume ${volume.name} in GiB`, gibibytes(volume.size), 1, 65_536),
    ...range(`throughput of the volume ${volume.name}`, volume.throughput, 0, 2000),
  ]);
}

/** A service with the task's own definition would be deployed before the task. */
function service(props: EcsTaskProps): string[] {
  if (props.service instanceof ecs.BaseService && props.service.taskDefinition === props.taskDefinition) {
    return [
      'service runs the same task definition, so CloudFormation would deploy it before the task: leave service out, and call ' +
        'executeBefore with it',
    ];
  }
  return [];
}

/** Why a provider cannot serve a task: CloudFormation invokes a function of the stack's own account and Region only. */
export function elsewhere(scope: Construct, provider: IConstruct): string | undefined {
  const [mine, its] = [Stack.of(scope), Stack.of(provider)];
  const differs = (one: string, other: string) => !Token.isUnresolved(one) && !Token.isUnresolved(other) && one !== other;
  if (!differs(mine.region, its.region) && !differs(mine.account, its.account)) {
    return undefined;
  }
  return (
    `the provider ${provider.node.path} is in ${its.account}/${its.region}, but the task in ${mine.account}/${mine.region}: ` +
    'CloudFormation needs both in the same account and Region, so create one there, or leave provider out'
  );
}

function range(name: string, value: number | undefined, least: number, most: number): string[] {
  if (value === undefined || Token.isUnresolved(value) || (Number.isInteger(value) && value >= least && value <= most)) {
    return [];
  }
  return [`${name} must be a whole number from ${least} to ${most}, not ${value}`];
}

function atMost(name: string, list: unknown[] | undefined, most: number): string[] {
  if (!list || Token.isUnresolved(list) || list.length <= most) {
    return [];
  }
  return [`${name} has ${list.length} elements, but at most ${most} are allowed`];
}

function longest(name: string, text: string, most: number): string[] {
  if (Token.isUnresolved(text) || text.length <= most) {
    return [];
  }
  return [`${name} has ${text.length} characters, but at most ${most} are allowed`];
}

function isAbove(one: number | undefined, other: number | undefined): boolean {
  return one !== undefined && other !== undefined && !Token.isUnresolved(one) && !Token.isUnresolved(other) && one > other;
}

function seconds(duration: Duration | undefined): number | undefined {
  return duration && !duration.isUnresolved() ? duration.toSeconds() : undefined;
}

function gibibytes(size: Size | undefined): number | undefined {
  return size && !size.isUnresolved() ? size.toGibibytes() : undefined;
}
