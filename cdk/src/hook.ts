import { Annotations, Aspects, IAspect, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct, IConstruct } from 'constructs';
import { doubtsAboutHook, elsewhere, mistakesInHook } from './checks';
import { known } from './dependencies';
import { grantStart } from './grants';
import { containerOverridesOf, renderContainers } from './overrides';
import { EcsTaskOptions } from './props';
import { EcsTaskProvider, IEcsTaskProvider } from './provider';

/** Options of a task that runs in deployments of a service. */
export interface EcsTaskHookOptions extends EcsTaskOptions {
  /**
   * The stages at which the task runs. Those at which traffic shifts are refused, since ECS invokes them again and again, and in a
   * rollback.
   *
   * @default - PRE_SCALE_UP: no task of the new revision runs yet
   */
  readonly lifecycleStages?: ecs.DeploymentLifecycleStage[];
}

/** Properties of `EcsTaskHook`. */
export interface EcsTaskHookProps extends EcsTaskHookOptions {
  /** The service whose deployments run the task, with the definition, network and launch type of its new revision. */
  readonly service: ecs.BaseService;
}

/** The hooks of each service, in their order. */
const HOOKS = new WeakMap<ecs.BaseService, EcsTaskHook[]>();

/**
 * An ECS task that runs in each deployment of a service, as its lifecycle hook, even where a pipeline deploys without
 * CloudFormation.
 *
 * If the task fails, the old revision continues to serve. ECS says only that a hook failed: the reason is in the function's log, on its
 * dashboard, and in a message to `alarmTopic` of `EcsTaskProvider`. When ECS rolls a deployment back, no task runs at
 * PRE_SCALE_UP. When CloudFormation rolls a stack back, it may deploy the old revision anew, and then its task does run.
 */
export class EcsTaskHook extends Construct {
  /** The function that runs the task. */
  public readonly provider: IEcsTaskProvider;

  /** The role by which ECS invokes the function. */
  public readonly role: iam.IRole;

  constructor(scope: Construct, id: string, props: EcsTaskHookProps) {
    super(scope, id);
    const { service } = props;
    const lifecycleStages = props.lifecycleStages ?? [ecs.DeploymentLifecycleStage.PRE_SCALE_UP];
    this.provider = props.provider ?? EcsTaskProvider.getOrCreate(this);
    const reason = elsewhere(this, this.provider);
    if (reason) {
      throw new Error(`[${this.node.path}] ${reason}`);
    }
    if (this.provider instanceof EcsTaskProvider && !this.provider.hookRole) {
      throw new Error(`[${this.node.path}] the provider ${this.provider.node.path} has hook: false, so it cannot run hooks: remove hook: false from the provider`);
    }
    this.role = this.provider.hookRole ?? this.invokeRole();
    service.addLifecycleHook({
      bind: () => ({ targetArn: this.provider.functionArn, role: this.role, lifecycleStages }),
    });
    const earlier = HOOKS.get(service) ?? [];
    HOOKS.set(service, [...earlier, this]);
    const position = earlier.filter(({ role }) => role === this.role).length;
    const details = () => Stack.of(this).toJsonString({ ECSTask: render(props) });
    Aspects.of(service).add(new HookDetails(this.role, position, details));
    this.beforeService(service);
    doubtsAboutHook(lifecycleStages).forEach((doubt) => Annotations.of(this).addWarningV2('cdk-ecs-tasks:hookStages', doubt));
    this.node.addValidation({ validate: () => mistakesInHook(props, lifecycleStages, service.taskDefinition) });
  }

  /** A role by which ECS invokes a function that has none for it. */
  private invokeRole(): iam.Role {
    return new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('ecs.amazonaws.com'),
      description: 'Lets ECS invoke the function of cdk-ecs-tasks in deployments of a service',
      inlinePolicies: {
        Invoke: new iam.PolicyDocument({
          statements: [
            new iam.PolicyStatement({
              sid: 'Invoke',
              actions: ['lambda:InvokeFunction'],
              resources: [this.provider.functionArn],
            }),
          ],
        }),
      },
    });
  }

  /** The service's first deployment already invokes the function. */
  private beforeService(service: ecs.BaseService): void {
    const resource = service.node.findChild('Service');
    resource.node.addDependency(this.role);
    if (this.provider instanceof EcsTaskProvider) {
      resource.node.addDependency(this.provider);
    }
    if (this.provider.role) {
      const { cluster, taskDefinition } = service;
      const taskRoles = () => [taskDefinition.taskRole, ...known(() => taskDefinition.executionRole!).filter(Boolean)];
      const policy = grantStart(this, this.provider.role, { cluster, taskDefinition, taskRoles, volumeRoles: () => [] });
      resource.node.addDependency(policy);
      if (this.provider instanceof EcsTaskProvider) {
        this.provider._addStartPolicy(policy);
      }
    }
  }
}

/** Adds the details to a hook, which the service has no property for. Of the hooks with this role it is the one at this position. */
class HookDetails implements IAspect {
  constructor(
    private readonly role: iam.IRole,
    private readonly position: number,
    private readonly details: () => string,
  ) {}

  public visit(node: IConstruct): void {
    if (!(node instanceof ecs.CfnService)) {
      return;
    }
    const stack = Stack.of(node);
    const hooks: any[] = stack.resolve(node.deploymentConfiguration)?.lifecycleHooks ?? [];
    const roleArn = JSON.stringify(stack.resolve(this.role.roleArn));
    const ours = [...hooks.keys()].filter((index) => JSON.stringify(hooks[index].roleArn) === roleArn);
    const index = ours[this.position];
    if (index !== undefined) {
      node.addPropertyOverride(`DeploymentConfiguration.LifecycleHooks.${index}.HookDetails`, this.details());
    }
  }
}

function render(props: EcsTaskHookProps): any {
  const containers = renderContainers(containerOverridesOf(props, props.service.taskDefinition));
  return {
    Overrides: containers && { ContainerOverrides: containers },
    Timeout: props.timeout?.toSeconds(),
    WatchContainers: props.watchContainers,
    SuccessExitCodes: props.successExitCodes,
    StartRetries: props.startRetries,
    LogLines: props.logLines,
  };
}
