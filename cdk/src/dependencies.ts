import { CfnResource, Stack } from 'aws-cdk-lib';
import * as autoscaling from 'aws-cdk-lib/aws-autoscaling';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct, Dependable, IConstruct, IDependable } from 'constructs';
import { deployedStack } from './names';

/** The type of the resource that runs a task. */
export const TYPE = 'Custom::ECSTask';

/** A task's surroundings that its properties do not refer to, and that must be there before it starts. */
export interface Surroundings {
  readonly cluster: ecs.ICluster;
  readonly roles: () => iam.IRole[];
  readonly subnets: ec2.ISubnet[];
  readonly vpc?: ec2.IVpc;
  readonly securityGroups: () => ec2.ISecurityGroup[];
}

/**
 * The resources that a task waits for, found at synthesis, when all of them have been added.
 *
 * A reference to a role, a subnet or a security group waits for that resource alone. Its policies, routes and rules are resources of
 * their own: a task that starts before them may not read its secrets, or cannot pull its image.
 */
export function surroundingsOf(task: CfnResource, surroundings: Surroundings): IDependable {
  const dependable: IDependable = {};
  Dependable.implement(dependable, {
    get dependencyRoots() {
      return new Finder(task, surroundings).find();
    },
  });
  return dependable;
}

class Finder {
  private readonly nearby: CfnResource[];

  constructor(
    private readonly task: CfnResource,
    private readonly surroundings: Surroundings,
  ) {
    const stack = deployedStack(task);
    this.nearby = resourcesIn(stack).filter((resource) => deployedStack(resource) === stack && resource !== task);
  }

  public find(): IConstruct[] {
    const found = [...this.policies(), ...this.ways(), ...this.rules(), ...this.capacity()];
    return [...new Set(found)].filter((resource) => !this.needsTask(resource));
  }

  /** The policies of the roles. */
  private policies(): CfnResource[] {
    const names = this.surroundings.roles().map((role) => role.roleName);
    return this.nearby.filter((resource) => {
      if (resource instanceof iam.CfnPolicy || resource instanceof iam.CfnManagedPolicy) {
        const attached = Stack.of(resource).resolve(resource.roles) ?? [];
        return attached.some((name: any) => this.isAmong(name, names));
      }
      return resource instanceof iam.CfnRolePolicy && this.isAmong(resource.roleName, names);
    });
  }

  /** The routes and route table associations of the subnets, and the VPC's endpoints. */
  private ways(): CfnResource[] {
    const { subnets, vpc } = this.surroundings;
    const subnetIds = subnets.map((subnet) => subnet.subnetId);
    const tables = subnets.flatMap((subnet) => known(() => subnet.routeTable.routeTableId));
    const vpcs = vpc ? [vpc.vpcId] : [];
    const beside = subnets.flatMap((subnet) => [
      ...resourcesIn(subnet).filter((resource) => !(resource instanceof ec2.CfnSubnet)),
      ...Dependable.of(subnet.internetConnectivityEstablished).dependencyRoots.flatMap(resourcesIn),
    ]);
    const elsewhere = this.nearby.filter(
      (resource) =>
        (resource instanceof ec2.CfnSubnetRouteTableAssociation && this.isAmong(resource.subnetId, subnetIds)) ||
        (resource instanceof ec2.CfnRoute && this.isAmong(resource.routeTableId, tables)) ||
        (resource instanceof ec2.CfnVPCEndpoint && this.isAmong(resource.vpcId, vpcs)),
    );
    return [...beside, ...elsewhere];
  }

  /** The rules that let the task out, and into others. */
  private rules(): CfnResource[] {
    const groups = this.surroundings.securityGroups().map((group) => group.securityGroupId);
    return this.nearby.filter(
      (resource) =>
        (resource instanceof ec2.CfnSecurityGroupIngress && this.isAmong(resource.sourceSecurityGroupId, groups)) ||
        (resource instanceof ec2.CfnSecurityGroupEgress && this.isAmong(resource.groupId, groups)),
    );
  }

  /** The cluster's capacity providers and instances. */
  private capacity(): CfnResource[] {
    const { cluster } = this.surroundings;
    const instances = resourcesIn(cluster).filter((resource) => resource instanceof autoscaling.CfnAutoScalingGroup);
    const associations = this.nearby.filter(
      (resource) =>
        resource instanceof ecs.CfnClusterCapacityProviderAssociations &&
        this.isAmong(resource.cluster, [cluster.clusterName, cluster.clusterArn]),
    );
    return [...instances, ...associations];
  }

  /** A resource that refers to the task cannot come before it. */
  private needsTask(resource: CfnResource): boolean {
    const { Ref: id } = Stack.of(this.task).resolve(this.task.ref);
    return JSON.stringify(Stack.of(resource).resolve((resource as any)._toCloudFormation())).includes(`"${id}"`);
  }

  private isAmong(value: any, values: any[]): boolean {
    const text = (one: any) => JSON.stringify(Stack.of(this.task).resolve(one));
    return value !== undefined && values.some((other) => text(other) === text(value));
  }
}

/** Types that a task needs itself, or may share with what waits for it. */
const SHARED = [
  ec2.CfnSecurityGroup,
  ec2.CfnSecurityGroupIngress,
  ec2.CfnSecurityGroupEgress,
  iam.CfnRole,
  iam.CfnPolicy,
  iam.CfnManagedPolicy,
  iam.CfnRolePolicy,
  ecs.CfnTaskDefinition,
  logs.CfnLogGroup,
];

/**
 * The resources of a construct that wait for a task which is executed before it.
 *
 * Of a construct with ECS services or tasks these wait alone: its load balancer needs no new schema, and its log group may be that of the
 * task.
 */
export function dependentsIn(scope: IConstruct): CfnResource[] {
  const resources = resourcesIn(scope);
  const running = resources.filter((resource) => resource instanceof ecs.CfnService || resource.cfnResourceType === TYPE);
  return running.length > 0 ? running : resources.filter((resource) => !SHARED.some((type) => resource instanceof type));
}

function resourcesIn(scope: IConstruct): CfnResource[] {
  const all: IConstruct[] = scope instanceof Construct ? scope.node.findAll() : [];
  return all.filter((construct): construct is CfnResource => CfnResource.isCfnResource(construct));
}

/** An imported construct throws where an attribute was not given. */
export function known<T>(attribute: () => T): T[] {
  try {
    return [attribute()];
  } catch {
    return [];
  }
}
