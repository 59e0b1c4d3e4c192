import { Lazy } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct } from 'constructs';
import { known } from './dependencies';
import { EcsTaskProps } from './props';

const FARGATE_PROVIDERS = ['FARGATE', 'FARGATE_SPOT'];

/** The launch type and network of a task, as far as they are known at synthesis. */
export class Placement {
  public readonly launchType?: ecs.LaunchType;
  public readonly isFargate: boolean;
  /** The network mode of the definition; undefined where it is imported without one. */
  public readonly networkMode?: ecs.NetworkMode;
  public readonly vpc?: ec2.IVpc;
  public readonly subnets?: ec2.SelectedSubnets;
  public readonly connections: ec2.Connections;

  constructor(scope: Construct, props: EcsTaskProps) {
    this.launchType = launchTypeOf(props);
    this.isFargate =
      this.launchType === ecs.LaunchType.FARGATE ||
      (props.capacityProviderStrategies ?? []).some(({ capacityProvider }) => FARGATE_PROVIDERS.includes(capacityProvider));
    [this.networkMode] = known(() => props.taskDefinition.networkMode);
    const hasNetwork = this.needsNetwork(props);
    this.vpc = hasNetwork ? (props.vpc ?? known(() => props.cluster.vpc)[0]) : undefined;
    this.subnets = hasNetwork ? this.select(scope, props) : undefined;
    this.connections = new ec2.Connections({ securityGroups: hasNetwork ? this.groups(scope, props) : [] });
  }

  /** The property `NetworkConfiguration`. */
  public render(props: EcsTaskProps): any {
    if (!this.subnets && this.connections.securityGroups.length === 0) {
      return undefined;
    }
    const isPublic = props.assignPublicIp ?? (this.isFargate && this.subnets?.hasPublic ? true : undefined);
    return {
      AwsvpcConfiguration: {
        Subnets: this.subnets?.subnetIds,
        SecurityGroups: Lazy.list(
          { produce: () => this.connections.securityGroups.map((group) => group.securityGroupId) },
          { omitEmpty: true },
        ),
        AssignPublicIp: isPublic === undefined ? (this.isFargate ? 'DISABLED' : undefined) : isPublic ? 'ENABLED' : 'DISABLED',
      },
    };
  }

  private needsNetwork(props: EcsTaskProps): boolean {
    if (props.service) {
      return Boolean(props.vpcSubnets ?? props.securityGroups);
    }
    return this.networkMode ? this.networkMode === ecs.NetworkMode.AWS_VPC : this.isFargate || Boolean(props.vpcSubnets);
  }

  private select(scope: Construct, props: EcsTaskProps): ec2.SelectedSubnets | undefined {
    if (this.vpc && (props.vpcSubnets || !props.service)) {
      return this.vpc.selectSubnets(props.vpcSubnets);
    }
    const subnets = props.vpcSubnets?.subnets;
    if (!subnets && !props.service) {
      throw new Error(
        `[${scope.node.path}] the VPC of the cluster is not known, but the network mode awsvpc needs subnets: ` +
          'set vpc, or vpcSubnets.subnets together with securityGroups',
      );
    }
    return subnets && { ...EMPTY, subnets, subnetIds: subnets.map((subnet) => subnet.subnetId) };
  }

  private groups(scope: Construct, props: EcsTaskProps): ec2.ISecurityGroup[] {
    if (props.securityGroups || props.service) {
      return props.securityGroups ?? [];
    }
    if (!this.vpc) {
      throw new Error(
        `[${scope.node.path}] the VPC of the cluster is not known, so there is no security group: set securityGroups, or vpc`,
      );
    }
    return [new ec2.SecurityGroup(scope, 'SecurityGroup', { vpc: this.vpc })];
  }
}

const EMPTY = { availabilityZones: [], hasPublic: false, internetConnectivityEstablished: {} as any, isPendingLookup: false };

/** The launch type, where the definition or the user says which. */
function launchTypeOf(props: EcsTaskProps): ecs.LaunchType | undefined {
  const isElsewhere = props.capacityProviderStrategies ?? props.containerInstanceArns ?? props.service;
  if (props.launchType || isElsewhere) {
    return props.launchType;
  }
  const { taskDefinition } = props;
  if (taskDefinition.isFargateCompatible) {
    return ecs.LaunchType.FARGATE;
  }
  if (taskDefinition.isEc2Compatible) {
    return ecs.LaunchType.EC2;
  }
  return taskDefinition.isExternalCompatible ? ecs.LaunchType.EXTERNAL : undefined;
}

/** The property `LaunchType`. A cluster gets its default strategy also after the task, and a launch type would override it. */
export function renderLaunchType(props: EcsTaskProps, launchType: ecs.LaunchType | undefined): any {
  return Lazy.any({
    produce: () => {
      const { cluster } = props;
      const hasStrategy = cluster instanceof ecs.Cluster && cluster.defaultCapacityProviderStrategy.length > 0;
      const isDefault = props.launchType === undefined && launchType === ecs.LaunchType.EC2;
      return isDefault && hasStrategy ? undefined : launchType;
    },
  });
}
