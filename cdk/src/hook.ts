import { Aspects, IAspect, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct, IConstruct } from 'constructs';
import { elsewhere, mistakesInHook } from './checks';
import { known } from './dependencies';
import { grantStart } from './grants';
import { containerOverridesOf, renderContainers } from './overrides';
import { EcsTaskOptions } from './props';
import { EcsTaskProvider, IEcsTaskProvider } from './provider';

/** Options of a task that runs in deployments of a service. */
export interface EcsTaskHookOptions extends EcsTaskOptions {
  /**
   * The stages at which the task runs. Those at which traffic shifts are refused, since ECS invokes them at each step and in a rollback.
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

/**
 * An ECS task that runs in each deployment of a service, as a lifecycle hook of it: also where a pipeline deploys without CloudFormation.
 *
 * A task that fails leaves the old revision serving. In a rollback no task runs.
 */
export class EcsTaskHook extends Construct {
  /** The function that runs the task. */
  public readonly provider: IEcsTaskProvider;

  constructor(scope: Construct, id: string, props: EcsTaskHookProps) {
    super(scope, id);
    const { service } = props;
    const lifecycleStages = props.lifecycleStages ?? [ecs.DeploymentLifecycleStage.PRE_SCALE_UP];
    this.provider = props.provider ?? EcsTaskProvider.getOrCreate(this);
    const reason = elsewhere(this, this.provider);
    if (reason) {
      throw new Error(`[${this.node.path}] ${reason}`);
    }
    const role = this.invokeRole();
    service.addLifecycleHook({ bind: () => ({ targetArn: this.provider.functionArn, role, lifecycleStages }) });
    const details = () => Stack.of(this).toJsonString({ ECSTask: render(props) });
    Aspects.of(service).add(new HookDetails(role.roleArn, details));
    this.beforeService(service, role);
    this.node.addValidation({ validate: () => mistakesInHook(props, lifecycleStages, service.taskDefinition) });
  }

  /** The role with which ECS invokes the function. */
  private invokeRole(): iam.Role {
    return new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('ecs.amazonaws.com'),
      description: 'Lets ECS invoke the function of cdk-ecs-tasks in deployments of a service',
      inlinePolicies: {
        Invoke: new iam.PolicyDocument({
          statements: [
            new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [this.provider.functionArn] }),
          ],
        }),
      },
    });
  }

  /** The service's first deployment already invokes the function. */
  private beforeService(service: ecs.BaseService, role: iam.Role): void {
    const resource = service.node.findChild('Service');
    resource.node.addDependency(role);
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

/** Adds the hook's details, which the service has no property for. */
class HookDetails implements IAspect {
  constructor(
    private readonly roleArn: string,
    private readonly details: () => string,
  ) {}

  public visit(node: IConstruct): void {
    if (!(node instanceof ecs.CfnService)) {
      return;
    }
    const stack = Stack.of(node);
    const hooks: any[] = stack.resolve(node.deploymentConfiguration)?.lifecycleHooks ?? [];
    const roleArn = JSON.stringify(stack.resolve(this.roleArn));
    const index = hooks.findIndex((hook) => JSON.stringify(hook.roleArn) === roleArn);
    if (index >= 0) {
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
