import { App, CfnParameter, Duration, Fn, Stack } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { EcsTask, EcsTaskHookOptions, EcsTaskProvider } from '../lib';
import { definition, newStack, Surroundings } from './stacks';

function withHook(options: EcsTaskHookOptions = {}): Template {
  const stack = newStack();
  const { cluster } = new Surroundings(stack);
  const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Definition') });
  EcsTask.onDeploymentOf(service, 'Migrate', options);
  return Template.fromStack(stack);
}

test('a deployment of the service runs a task with its details, before the new revision', () => {
  const template = withHook({ command: ['rake', 'db:migrate'], timeout: Duration.minutes(30), watchContainers: ['app'] });
  template.hasResourceProperties('AWS::ECS::Service', {
    DeploymentConfiguration: {
      LifecycleHooks: [
        {
          LifecycleStages: ['PRE_SCALE_UP'],
          HookTargetArn: Match.anyValue(),
          RoleArn: Match.anyValue(),
          HookDetails: JSON.stringify({
            ECSTask: {
              Overrides: { ContainerOverrides: [{ Name: 'app', Command: ['rake', 'db:migrate'] }] },
              Timeout: 1800,
              WatchContainers: ['app'],
            },
          }),
        },
      ],
    },
  });
});

test('the service waits for the function and for what it may start', () => {
  const [service] = Object.values<any>(withHook().findResources('AWS::ECS::Service'));
  expect(service.DependsOn).toEqual(
    expect.arrayContaining([expect.stringMatching(/^WebMigrateStartPolicy/), expect.stringMatching(/^EcsTaskProviderRole/)]),
  );
});

test('each of two hooks has its own details', () => {
  const stack = newStack();
  const { cluster } = new Surroundings(stack);
  const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Definition') });
  const text = new CfnParameter(stack, 'Text').valueAsString;
  EcsTask.onDeploymentOf(service, 'Migrate', { command: ['migrate', text] });
  EcsTask.onDeploymentOf(service, 'Check', { command: ['check'], lifecycleStages: [ecs.DeploymentLifecycleStage.POST_SCALE_UP] });
  const [{ Properties }] = Object.values<any>(Template.fromStack(stack).findResources('AWS::ECS::Service'));
  const [one, two] = Properties.DeploymentConfiguration.LifecycleHooks.map(({ HookDetails }: any) => JSON.stringify(HookDetails));
  expect(one).toContain('migrate');
  expect(one).toContain('"Ref":"Text"');
  expect(two).toContain('check');
});

test('hooks of one provider share its role, and one of another function has a role of its own', () => {
  const stack = newStack();
  const { cluster } = new Surroundings(stack);
  const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Definition') });
  const functionArn = 'arn:aws:lambda:us-west-2:123456789012:function:ecsTasks';
  const provider = EcsTaskProvider.fromFunctionArn(stack, 'Other', functionArn);
  EcsTask.onDeploymentOf(service, 'Migrate', { command: ['migrate'] });
  EcsTask.onDeploymentOf(service, 'Seed', { command: ['seed'], provider });
  EcsTask.onDeploymentOf(service, 'Check', { command: ['check'] });
  const template = Template.fromStack(stack);
  const [{ Properties }] = Object.values<any>(template.findResources('AWS::ECS::Service'));
  const hooks: any[] = Properties.DeploymentConfiguration.LifecycleHooks;
  const commands = hooks.map(({ HookDetails }) => JSON.parse(HookDetails).ECSTask.Overrides.ContainerOverrides[0].Command);
  expect(commands).toEqual([['migrate'], ['seed'], ['check']]);
  const roles = hooks.map(({ RoleArn }) => RoleArn['Fn::GetAtt'][0]);
  expect(roles).toEqual([
    expect.stringMatching(/^EcsTaskProviderHookRole/),
    expect.stringMatching(/^WebSeedRole/),
    expect.stringMatching(/^EcsTaskProviderHookRole/),
  ]);
  const [own] = Object.entries<any>(template.findResources('AWS::IAM::Role')).filter(([id]) => id === roles[1]);
  expect(own[1].Properties.Policies[0].PolicyDocument.Statement).toEqual([
    { Sid: 'Invoke', Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource: functionArn },
  ]);
});

test('hooks stand at their own places among those of others', () => {
  const stack = newStack();
  const { cluster } = new Surroundings(stack);
  const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Definition') });
  const other = lambda.Function.fromFunctionAttributes(stack, 'Other', {
    functionArn: 'arn:aws:lambda:us-west-2:123456789012:function:check',
    sameEnvironment: true,
  });
  const target = new ecs.DeploymentLifecycleLambdaTarget(other, 'Theirs', {
    lifecycleStages: [ecs.DeploymentLifecycleStage.POST_TEST_TRAFFIC_SHIFT],
  });
  service.addLifecycleHook(target);
  EcsTask.onDeploymentOf(service, 'Migrate', { command: ['migrate'] });
  const [{ Properties }] = Object.values<any>(Template.fromStack(stack).findResources('AWS::ECS::Service'));
  const details = Properties.DeploymentConfiguration.LifecycleHooks.map(({ HookDetails }: any) => HookDetails);
  expect(details).toEqual([undefined, expect.stringContaining('migrate')]);
});

test('a provider of another stack gives the role, too', () => {
  const app = new App();
  const provider = new EcsTaskProvider(new Stack(app, 'Shared'), 'Provider');
  const stack = new Stack(app, 'Shop');
  const { cluster } = new Surroundings(stack);
  const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Definition') });
  EcsTask.onDeploymentOf(service, 'Migrate', { provider });
  Template.fromStack(stack).hasResourceProperties('AWS::ECS::Service', {
    DeploymentConfiguration: {
      LifecycleHooks: [
        {
          HookTargetArn: { 'Fn::ImportValue': Match.stringLikeRegexp('^Shared:.*ProviderFunction') },
          RoleArn: { 'Fn::ImportValue': Match.stringLikeRegexp('^Shared:.*ProviderHookRole') },
        },
      ],
    },
  });
});

test('a given role is used', () => {
  const stack = newStack();
  const { cluster } = new Surroundings(stack);
  const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Definition') });
  const provider = EcsTaskProvider.fromEcsTaskProviderAttributes(stack, 'Provider', {
    functionArn: Fn.importValue('ecs-tasks-FunctionArn'),
    hookRole: iam.Role.fromRoleArn(stack, 'HookRole', Fn.importValue('ecs-tasks-HookRoleArn')),
  });
  EcsTask.onDeploymentOf(service, 'Migrate', { provider });
  Template.fromStack(stack).hasResourceProperties('AWS::ECS::Service', {
    DeploymentConfiguration: {
      LifecycleHooks: [
        {
          HookTargetArn: { 'Fn::ImportValue': 'ecs-tasks-FunctionArn' },
          RoleArn: { 'Fn::ImportValue': 'ecs-tasks-HookRoleArn' },
        },
      ],
    },
  });
});

test('a provider without hooks serves none', () => {
  const stack = newStack();
  const { cluster } = new Surroundings(stack);
  const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Definition') });
  const provider = new EcsTaskProvider(stack, 'Provider', { hook: false });
  const hook = () => EcsTask.onDeploymentOf(service, 'Migrate', { provider });
  expect(hook).toThrow(/the provider Shop\/Provider has hook: false, so it cannot run hooks: remove hook: false from the provider/);
});

test('a hook that hardly ever runs is a warning', () => {
  const stack = newStack();
  const { cluster } = new Surroundings(stack);
  const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Definition') });
  EcsTask.onDeploymentOf(service, 'Migrate', { lifecycleStages: [ecs.DeploymentLifecycleStage.RECONCILE_SERVICE] });
  Annotations.fromStack(stack).hasWarning('/Shop/Web/Migrate', Match.stringLikeRegexp('hardly ever runs: add PRE_SCALE_UP'));
});

test('stages at which traffic shifts and a timeout above a day are mistakes', () => {
  const stages = [ecs.DeploymentLifecycleStage.TEST_TRAFFIC_SHIFT, 'PRE_PRODUCTION_TRAFFIC_SHIFT' as any];
  let text = '';
  try {
    withHook({ lifecycleStages: stages, timeout: Duration.days(1), watchContainers: ['ap'] });
  } catch (error) {
    text = (error as Error).message;
  }
  expect(text).toMatchSnapshot();
});
