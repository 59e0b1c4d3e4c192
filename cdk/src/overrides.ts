import { Lazy, Tokenization } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { EcsTaskContainerOverride, EcsTaskOptions, EcsTaskProps } from './props';

/** The names of the containers; undefined where the definition is imported. */
export function containersOf(definition: ecs.ITaskDefinition): string[] | undefined {
  if (!(definition instanceof ecs.TaskDefinition)) {
    return undefined;
  }
  return definition.node.children
    .filter((child): child is ecs.ContainerDefinition => child instanceof ecs.ContainerDefinition)
    .map((container) => container.containerName);
}

/** The overrides of containers, with `command` and `environment` among them. */
export function containerOverridesOf(props: EcsTaskOptions, definition: ecs.ITaskDefinition): EcsTaskContainerOverride[] {
  const { command, environment } = props;
  if (!command && !environment) {
    return props.containerOverrides ?? [];
  }
  const containerName = props.containerName ?? defaultContainerOf(definition) ?? '';
  return [{ containerName, command, environment }, ...(props.containerOverrides ?? [])];
}

/** The container that `command` and `environment` are for, if none is named. */
export function defaultContainerOf(definition: ecs.ITaskDefinition): string | undefined {
  return definition instanceof ecs.TaskDefinition ? definition.defaultContainer?.containerName : undefined;
}

/** Containers as `Overrides.ContainerOverrides` has them. */
export function renderContainers(overrides: EcsTaskContainerOverride[]): any[] | undefined {
  if (overrides.length === 0) {
    return undefined;
  }
  return overrides.map((override) => ({
    Name: override.containerName,
    Command: override.command,
    Environment:
      override.environment && Object.entries(override.environment).map(([Name, Value]) => ({ Name, Value })),
    EnvironmentFiles: override.environmentFiles?.map((file) => ({
      Type: 's3',
      Value: file.bucket.arnForObjects(file.objectKey),
    })),
    Cpu: override.cpu,
    Memory: override.memoryLimitMiB,
    MemoryReservation: override.memoryReservationMiB,
    ResourceRequirements: override.gpuCount === undefined ? undefined : [{ Type: 'GPU', Value: asText(override.gpuCount) }],
  }));
}

/** The property `Overrides`. Containers may be added to a definition after the task, so it is made at synthesis. */
export function renderOverrides(props: EcsTaskProps): any {
  return Lazy.any({
    produce: () => {
      const overrides = {
        ContainerOverrides: renderContainers(containerOverridesOf(props, props.taskDefinition)),
        Cpu: asText(props.cpu),
        Memory: asText(props.memoryLimitMiB),
        EphemeralStorage: props.ephemeralStorage && { SizeInGiB: props.ephemeralStorage.toGibibytes() },
        TaskRoleArn: props.taskRole?.roleArn,
        ExecutionRoleArn: props.executionRole?.roleArn,
      };
      return Object.values(overrides).some((value) => value !== undefined) ? overrides : undefined;
    },
  });
}

/** A number of the API that is a string in a task override. */
function asText(value: number | undefined): string | undefined {
  return value === undefined ? undefined : Tokenization.stringifyNumber(value);
}
