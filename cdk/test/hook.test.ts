import { CfnParameter, Duration } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { EcsTask, EcsTaskHookOptions } from '../lib';
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

test('stages at which traffic shifts and a timeout above a day are mistakes', () => {
  const stages = [ecs.DeploymentLifecycleStage.TEST_TRAFFIC_SHIFT];
  let text = '';
  try {
    withHook({ lifecycleStages: stages, timeout: Duration.days(1), watchContainers: ['ap'] });
  } catch (error) {
    text = (error as Error).message;
  }
  expect(text).toMatchSnapshot();
});
