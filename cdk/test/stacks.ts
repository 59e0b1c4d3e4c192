import { App, Environment, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct } from 'constructs';
import { EcsTask, EcsTaskProps } from '../lib';

export const TYPE = 'Custom::ECSTask';

/** A VPC, a cluster and a definition with one container. */
export class Surroundings extends Construct {
  public readonly vpc: ec2.Vpc;
  public readonly cluster: ecs.Cluster;
  public readonly taskDefinition: ecs.FargateTaskDefinition;

  constructor(scope: Construct, id = 'Base') {
    super(scope, id);
    this.vpc = new ec2.Vpc(this, 'Vpc', { maxAzs: 2, natGateways: 1, restrictDefaultSecurityGroup: false });
    this.cluster = new ecs.Cluster(this, 'Cluster', { vpc: this.vpc });
    this.taskDefinition = definition(this, 'Migration');
  }
}

export function definition(scope: Construct, id: string): ecs.FargateTaskDefinition {
  const made = new ecs.FargateTaskDefinition(scope, id);
  made.addContainer('app', { image: ecs.ContainerImage.fromRegistry('app'), logging: ecs.LogDrivers.awsLogs({ streamPrefix: 'app' }) });
  return made;
}

export function newStack(id = 'Shop', env?: Environment): Stack {
  return new Stack(new App(), id, { env });
}

/** A stack with a task, as its template. */
export function withTask(props: Partial<EcsTaskProps> | ((base: Surroundings) => Partial<EcsTaskProps>) = {}): {
  stack: Stack;
  base: Surroundings;
  task: EcsTask;
  template: () => Template;
} {
  const stack = newStack();
  const base = new Surroundings(stack);
  const given = typeof props === 'function' ? props(base) : props;
  const task = new EcsTask(stack, 'Migrate', { cluster: base.cluster, taskDefinition: base.taskDefinition, ...given });
  return { stack, base, task, template: () => Template.fromStack(stack) };
}

/** The properties of the only task of a template. */
export function propertiesOf(template: Template): any {
  const [task] = Object.values(template.findResources(TYPE));
  return task.Properties;
}

/** The types of the resources that a resource of a type depends on. */
export function waitsFor(template: Template, type = TYPE): string[] {
  const resources = template.toJSON().Resources;
  const [[, found]] = Object.entries<any>(template.findResources(type));
  return (found.DependsOn ?? []).map((name: string) => resources[name].Type);
}
