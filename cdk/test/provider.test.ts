import { App, CfnParameter, NestedStack, RemovalPolicy, Stack, Stage, Tags } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EcsTask, EcsTaskProvider, EcsTaskProviderProps } from '../lib';
import { providerTemplate } from '../lib/template';
import { definition, newStack, propertiesOf, Surroundings, waitsFor, withTask } from './stacks';

const source = providerTemplate();

function withProvider(props: EcsTaskProviderProps | ((stack: Stack) => EcsTaskProviderProps) = {}): Template {
  const stack = newStack();
  new EcsTaskProvider(stack, 'Provider', typeof props === 'function' ? props(stack) : props);
  return Template.fromStack(stack);
}

/** The statements of the function's role. */
function statementsOf(template: Template): any[] {
  const isInvoker = ({ Properties }: any) => JSON.stringify(Properties.AssumeRolePolicyDocument).includes('"ecs.amazonaws.com"');
  const roles = Object.values<any>(template.findResources('AWS::IAM::Role')).filter((role) => !isInvoker(role));
  const policies = [
    ...roles.flatMap(({ Properties }) => Properties.Policies ?? []),
    ...Object.values<any>(template.findResources('AWS::IAM::RolePolicy')).map(({ Properties }) => Properties),
  ];
  return policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
}

/** The statements of cfn/provider.yml that stand there with the default parameters, by Sid. */
function sourceStatements(): Map<string, any> {
  const [{ PolicyDocument }] = source.Resources.Role.Properties.Policies;
  const all = PolicyDocument.Statement.map((statement: any) => statement['Fn::If']?.[1] ?? statement);
  return new Map(all.map((statement: any) => [statement.Sid, statement]));
}

describe('the provider is cfn/provider.yml', () => {
  const types = (resources: any[]) => resources.map(({ Type }) => Type).sort();

  test('it has the same resources', () => {
    const made = Object.values(withProvider().toJSON().Resources);
    expect(types(made)).toEqual(types(Object.values(source.Resources)));
  });

  test('its resources have the same properties, apart from code and names', () => {
    const resources = withProvider().toJSON().Resources;
    for (const [name, { Properties }] of Object.entries<any>(source.Resources)) {
      const [key] = Object.keys(resources).filter((id) => new RegExp(`^Provider${name}[0-9A-F]{8}$`).test(id));
      const made = Object.keys(resources[key].Properties);
      const left = ['KmsKeyId', 'KmsMasterKeyId', 'KMSMasterKeyId', 'PermissionsBoundary', 'AlarmActions', 'DashboardName'];
      const optional = [...left, 'VpcConfig', 'ReservedConcurrentExecutions'];
      expect(made.sort()).toEqual(Object.keys(Properties).filter((property) => !optional.includes(property)).sort());
    }
  });

  test('with a task it allows what the template allows', () => {
    const { template } = withTask({ volumes: [{ name: 'data', size: { toGibibytes: () => 1, isUnresolved: () => false } as any }] });
    const made = new Map(statementsOf(template()).filter(({ Sid }) => Sid).map((statement) => [statement.Sid, statement]));
    const wanted = sourceStatements();
    const optional = ['UseKey', 'JoinVpc', 'OnlyLambdaJoinsVpc', 'PublishReasons'];
    expect([...made.keys()].sort()).toEqual([...wanted.keys()].filter((sid) => !optional.includes(sid)).sort());
    for (const [sid, statement] of made) {
      expect([sid, statement.Effect, statement.Action]).toEqual([sid, wanted.get(sid).Effect, wanted.get(sid).Action]);
    }
  });

  test('every option makes what its parameter makes', () => {
    const template = withProvider((stack) => ({
      vpc: new ec2.Vpc(stack, 'Vpc'),
      encryptionKey: new kms.Key(stack, 'Key'),
      alarmTopic: new sns.Topic(stack, 'Topic'),
      permissionsBoundary: iam.ManagedPolicy.fromManagedPolicyName(stack, 'Boundary', 'boundary'),
      reservedConcurrentExecutions: 10,
      metricsByLogicalResourceId: true,
      logLevel: lambda.ApplicationLogLevel.DEBUG,
      logRetention: logs.RetentionDays.ONE_WEEK,
      taskRoles: 'deploy/*',
      clusters: 'prod-*',
      taskLogGroups: '/ecs/*',
    }));
    template.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: Match.stringLikeRegexp('^Shop-Provider-[0-9a-f]{8}-ecsTasks$'),
      ReservedConcurrentExecutions: 10,
      VpcConfig: { SubnetIds: Match.anyValue(), SecurityGroupIds: Match.anyValue() },
      Environment: { Variables: { METRICS_BY: 'LogicalResourceId', ALARM_TOPIC: Match.anyValue() } },
      LoggingConfig: { ApplicationLogLevel: 'DEBUG' },
    });
    template.hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: 7, KmsKeyId: Match.anyValue() });
    template.hasResourceProperties('AWS::DynamoDB::Table', { SSESpecification: { KMSMasterKeyId: Match.anyValue() } });
    template.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [Match.anyValue()] });
    template.allResourcesProperties('AWS::IAM::Role', { PermissionsBoundary: Match.anyValue() });
    const sids = statementsOf(template).map(({ Sid }) => Sid);
    expect(sids.sort()).toEqual([...sourceStatements().keys()].sort());
    expect(JSON.stringify(template.toJSON())).toContain(':cluster/prod-*');
    expect(JSON.stringify(template.toJSON())).toContain(':role/deploy/*');
    expect(JSON.stringify(template.toJSON())).toContain(':log-group:/ecs/*:log-stream:*');
  });

  test('without ledger and dashboard their resources are not there', () => {
    const template = withProvider({ ledger: false, dashboard: false });
    template.resourceCountIs('AWS::DynamoDB::Table', 0);
    template.resourceCountIs('AWS::Events::Rule', 0);
    template.resourceCountIs('AWS::CloudWatch::Dashboard', 0);
    template.resourceCountIs('AWS::CloudWatch::Alarm', 4);
    expect(statementsOf(template).map(({ Sid }) => Sid)).not.toContain('Remember');
  });

  test('the role for hooks may be used by ECS alone, and invokes this function alone', () => {
    const template = withProvider();
    const roles = Object.values<any>(template.findResources('AWS::IAM::Role')).map(({ Properties }) => Properties);
    const [role] = roles.filter(({ Policies }) => Policies[0].PolicyName === 'invoke');
    expect(role).toEqual({
      ...source.Resources.HookRole.Properties,
      PermissionsBoundary: undefined,
      Policies: [
        {
          PolicyName: 'invoke',
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              {
                Sid: 'Invoke',
                Effect: 'Allow',
                Action: 'lambda:InvokeFunction',
                Resource: [
                  { 'Fn::GetAtt': [expect.stringMatching(/^ProviderFunction/), 'Arn'] },
                  { 'Fn::Sub': expect.stringMatching(/^\$\{ProviderFunction[0-9A-F]+\.Arn\}:\*$/) },
                ],
              },
            ],
          },
        },
      ],
    });
  });

  test('without hooks nothing of them is there', () => {
    const template = withProvider((stack) => ({ hook: false, alarmTopic: new sns.Topic(stack, 'Topic') }));
    template.resourceCountIs('AWS::IAM::Role', 1);
    const sids = statementsOf(template).map(({ Sid }) => Sid);
    expect(sids).not.toEqual(expect.arrayContaining(['ReadServiceRevisions']));
    expect(sids).not.toEqual(expect.arrayContaining(['PublishReasons']));
    const [{ Properties }] = Object.values<any>(template.findResources('AWS::Lambda::Function'));
    expect(Object.keys(Properties.Environment.Variables)).not.toContain('ALARM_TOPIC');
  });

  test('a log that is kept for ever has no retention', () => {
    const template = withProvider({ logRetention: logs.RetentionDays.INFINITE });
    template.hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: Match.absent() });
  });

  test('tokens are taken where a value may be one', () => {
    const template = withProvider((stack) => ({
      clusters: new CfnParameter(stack, 'Clusters').valueAsString,
      alarmTopic: sns.Topic.fromTopicArn(stack, 'Topic', new CfnParameter(stack, 'TopicArn').valueAsString),
      reservedConcurrentExecutions: new CfnParameter(stack, 'Reserved', { type: 'Number' }).valueAsNumber,
    }));
    template.hasResourceProperties('AWS::Lambda::Function', { ReservedConcurrentExecutions: { Ref: 'Reserved' } });
    template.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [{ Ref: 'TopicArn' }] });
    expect(JSON.stringify(statementsOf(template))).toContain('task/${Clusters}/*');
  });

  test('tags of the stack reach its resources', () => {
    const stack = newStack();
    new EcsTaskProvider(stack, 'Provider');
    Tags.of(stack).add('team', 'payments');
    Template.fromStack(stack).hasResourceProperties('AWS::Lambda::Function', { Tags: [{ Key: 'team', Value: 'payments' }] });
  });

  test('the template has no parameter, condition, output or export of the provider', () => {
    const { Parameters, Conditions, Outputs, Description } = withProvider().toJSON();
    expect([Object.keys(Parameters), Conditions, Outputs, Description]).toEqual([['BootstrapVersion'], undefined, undefined, undefined]);
  });
});

describe('where the provider is', () => {
  test('two tasks of a stack have one, and the second changes nothing of it', () => {
    const names = (tasks: string[]) => {
      const stack = newStack();
      const base = new Surroundings(stack);
      tasks.forEach((id) => new EcsTask(stack, id, { cluster: base.cluster, taskDefinition: base.taskDefinition }));
      const resources = Object.entries(Template.fromStack(stack).toJSON().Resources);
      return Object.fromEntries(resources.filter(([id]) => id.startsWith('EcsTaskProvider')));
    };
    expect(names(['Migrate', 'Seed'])).toEqual(names(['Migrate']));
  });

  test('two providers of a stack, and those of two stages, have names of their own', () => {
    const app = new App();
    const stacks = ['Beta', 'Prod'].map((id) => new Stack(new Stage(app, id), 'Shop'));
    const names = stacks.flatMap((stack) => {
      new EcsTaskProvider(stack, 'One');
      new EcsTaskProvider(stack, 'Two');
      const functions = Template.fromStack(stack).findResources('AWS::Lambda::Function');
      return Object.values<any>(functions).map(({ Properties }) => Properties.FunctionName);
    });
    expect(new Set(names).size).toBe(4);
    expect(names[0]).toMatch(/^Beta-Shop-One-/);
  });

  test('names stay within the limit of Lambda under a long stack name', () => {
    const stack = newStack('S'.repeat(120));
    new EcsTaskProvider(stack, 'Provider');
    const [{ Properties }] = Object.values<any>(Template.fromStack(stack).findResources('AWS::Lambda::Function'));
    expect(Properties.FunctionName.length).toBeLessThanOrEqual(64);
  });

  test('an app that is deployed under two stack names has two names', () => {
    const name = (stackName: string) => {
      const stack = new Stack(new App(), 'Shop', { stackName });
      new EcsTaskProvider(stack, 'Provider');
      const [{ Properties }] = Object.values<any>(Template.fromStack(stack).findResources('AWS::DynamoDB::Table'));
      return Properties.TableName;
    };
    expect(name('beta')).not.toEqual(name('prod'));
  });

  test('in another stack it is referred to, and the grants are in the stack of the task', () => {
    const app = new App();
    const shared = new Stack(app, 'Shared');
    const provider = new EcsTaskProvider(shared, 'Provider');
    const stack = new Stack(app, 'Shop');
    const base = new Surroundings(stack);
    new EcsTask(stack, 'Migrate', { provider, cluster: base.cluster, taskDefinition: base.taskDefinition });
    const template = Template.fromStack(stack);
    template.resourceCountIs('AWS::Lambda::Function', 0);
    template.resourceCountIs('AWS::IAM::RolePolicy', 1);
    expect(propertiesOf(template).ServiceToken).toEqual({ 'Fn::ImportValue': expect.stringMatching(/^Shared:/) });
    expect(stack.dependencies).toContain(shared);
  });

  test('a nested stack has its own, with a name that rests on the outer stack', () => {
    const stack = newStack();
    const base = new Surroundings(stack);
    const nested = new NestedStack(stack, 'Nested');
    new EcsTask(nested, 'Migrate', { cluster: base.cluster, taskDefinition: base.taskDefinition });
    Template.fromStack(nested).hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: Match.stringLikeRegexp('^Shop-NestedEcsTaskProvider-'),
    });
    Template.fromStack(stack).resourceCountIs('AWS::CloudFormation::Stack', 1);
  });

  test('a function that is given is not made, and nothing is granted to it', () => {
    const stack = newStack();
    const base = new Surroundings(stack);
    const provider = EcsTaskProvider.fromFunctionArn(stack, 'Provider', 'arn:aws:lambda:us-west-2:123456789012:function:ecsTasks');
    new EcsTask(stack, 'Migrate', { provider, cluster: base.cluster, taskDefinition: base.taskDefinition });
    const template = Template.fromStack(stack);
    template.resourceCountIs('AWS::Lambda::Function', 0);
    template.resourceCountIs('AWS::IAM::RolePolicy', 0);
    expect(propertiesOf(template).ServiceToken).toContain(':function:ecsTasks');
  });

  test('a given role gets the grants', () => {
    const stack = newStack();
    const base = new Surroundings(stack);
    const provider = EcsTaskProvider.fromEcsTaskProviderAttributes(stack, 'Provider', {
      functionArn: 'arn:aws:lambda:us-west-2:123456789012:function:ecsTasks',
      role: iam.Role.fromRoleName(stack, 'Role', 'ecsTasks'),
    });
    new EcsTask(stack, 'Migrate', { provider, cluster: base.cluster, taskDefinition: base.taskDefinition });
    Template.fromStack(stack).hasResourceProperties('AWS::IAM::RolePolicy', { RoleName: 'ecsTasks' });
  });

  test('a task waits for the rules and the table, but for no alarm', () => {
    const types = waitsFor(withTask().template());
    expect(types).toEqual(expect.arrayContaining(['AWS::Events::Rule', 'AWS::DynamoDB::Table', 'AWS::IAM::RolePolicy']));
    expect(types).not.toContain('AWS::CloudWatch::Alarm');
  });

  test('with taskRoles its tasks grant nothing', () => {
    const stack = newStack();
    const base = new Surroundings(stack);
    const provider = new EcsTaskProvider(stack, 'Provider', { taskRoles: 'deploy/*' });
    new EcsTask(stack, 'Migrate', { provider, cluster: base.cluster, taskDefinition: base.taskDefinition });
    Template.fromStack(stack).resourceCountIs('AWS::IAM::RolePolicy', 0);
  });

  test('resources can be changed by their names in the template', () => {
    const stack = newStack();
    const provider = new EcsTaskProvider(stack, 'Provider');
    provider.resource('Function').addPropertyOverride('MemorySize', 256);
    provider.resource('Requests').applyRemovalPolicy(RemovalPolicy.RETAIN);
    const template = Template.fromStack(stack);
    template.hasResourceProperties('AWS::Lambda::Function', { MemorySize: 256 });
    template.hasResource('AWS::DynamoDB::Table', { DeletionPolicy: 'Retain' });
  });
});

describe('mistakes of a provider', () => {
  const cases: [string, (stack: Stack) => EcsTaskProviderProps][] = [
    ['an architecture that is not in the package', () => ({ architecture: lambda.Architecture.custom('riscv64') })],
    ['a log level that hides the metrics', () => ({ logLevel: lambda.ApplicationLogLevel.ERROR })],
    ['a FIFO topic', (stack) => ({ alarmTopic: new sns.Topic(stack, 'Topic', { fifo: true }) })],
    ['no invocation at all', () => ({ reservedConcurrentExecutions: 0 })],
    ['subnets without a VPC', () => ({ vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC } })],
    ['a pattern that is an ARN', () => ({ taskRoles: 'arn:aws:iam::123456789012:role/x' })],
  ];
  test.each(cases)('%s', (_, props) => {
    // The package that is tested may have one architecture or both.
    let text = '';
    try {
      withProvider(props);
    } catch (error) {
      text = (error as Error).message.replace(/only for [^:]*:/, 'only for …:');
    }
    expect(text).toMatchSnapshot();
  });

  test('more tasks than the policies of a role can hold', () => {
    const stack = newStack();
    const base = new Surroundings(stack);
    for (let n = 0; n < 12; n++) {
      new EcsTask(stack, `Task${n}`, { cluster: base.cluster, taskDefinition: definition(stack, `Definition${n}`) });
    }
    expect(() => Template.fromStack(stack)).toThrow(/the policies of its 12 tasks take about .* set taskRoles/);
  });
});

