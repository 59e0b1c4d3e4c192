import { App, CfnOutput, CfnParameter, CfnWaitConditionHandle, Duration, Fn, NestedStack, SecretValue, Size, Stack, Stage } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as patterns from 'aws-cdk-lib/aws-ecs-patterns';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as rds from 'aws-cdk-lib/aws-rds';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { EcsTask, EcsTaskProps, EcsTaskProvider } from '../lib';
import { definition, newStack, propertiesOf, Surroundings, TYPE, waitsFor, withTask } from './stacks';

const DEFINITION = 'arn:aws:ecs:us-west-2:123456789012:task-definition/migrate:7';

describe('properties', () => {
  test('of a task with nothing but the two that it needs', () => {
    expect(propertiesOf(withTask().template())).toMatchSnapshot();
  });

  test('of a task with all of them', () => {
    const { base, template } = withTask(({ vpc, cluster }) => ({
      command: ['rake', 'db:migrate'],
      environment: { SIZE: 'small' },
      containerOverrides: [
        {
          containerName: 'proxy',
          command: ['serve'],
          environment: { A: 'b' },
          environmentFiles: [{ bucket: s3.Bucket.fromBucketName(cluster, 'Bucket', 'settings'), objectKey: 'app.env' }],
          cpu: 128,
          memoryLimitMiB: 512,
          memoryReservationMiB: 256,
          gpuCount: 1,
        },
      ],
      cpu: 512,
      memoryLimitMiB: 1024,
      ephemeralStorage: Size.gibibytes(30),
      taskRole: iam.Role.fromRoleArn(cluster, 'TaskRole', 'arn:aws:iam::123456789012:role/task'),
      executionRole: iam.Role.fromRoleArn(cluster, 'ExecutionRole', 'arn:aws:iam::123456789012:role/execution'),
      count: 2,
      capacityProviderStrategies: [{ capacityProvider: 'FARGATE_SPOT', weight: 1, base: 1 }],
      platformVersion: ecs.FargatePlatformVersion.VERSION1_4,
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(vpc, 'Group', 'sg-0123')],
      group: 'migrations',
      taskTags: { team: 'payments' },
      propagateTags: ecs.PropagatedTagSource.TASK_DEFINITION,
      enableECSManagedTags: true,
      enableExecuteCommand: true,
      volumes: [
        {
          name: 'data',
          size: Size.gibibytes(20),
          encrypted: true,
          volumeType: ec2.EbsDeviceVolumeType.GP3,
          iops: 3000,
          throughput: 125,
          fileSystemType: ecs.FileSystemType.XFS,
          tagSpecifications: [{ tags: { a: 'b' }, propagateTags: ecs.EbsPropagatedTagSource.TASK_DEFINITION }],
          deleteOnTermination: true,
        },
      ],
      timeout: Duration.minutes(30),
      serviceTimeout: Duration.minutes(40),
      pollInterval: Duration.seconds(5),
      runOnUpdate: false,
      runOnRollback: true,
      updateCriteria: [{ containerName: 'app', environmentKeys: ['RELEASE'], image: true }],
      watchContainers: ['app'],
      successExitCodes: [0, 3],
      startRetries: 2,
      logLines: 20,
      returnOutput: true,
      noEcho: true,
      triggers: { version: '1' },
    }));
    base.taskDefinition.addContainer('proxy', { image: ecs.ContainerImage.fromRegistry('proxy') });
    expect(propertiesOf(template())).toMatchSnapshot();
  });

  test('tokens are taken where a value may be one', () => {
    const { template } = withTask(({ cluster }) => {
      const number = new CfnParameter(cluster, 'Number', { type: 'Number' }).valueAsNumber;
      const text = new CfnParameter(cluster, 'Text').valueAsString;
      const list = new CfnParameter(cluster, 'List', { type: 'CommaDelimitedList' }).valueAsList;
      return {
        command: list,
        environment: { TEXT: text },
        containerName: text,
        cpu: number,
        memoryLimitMiB: number,
        count: number,
        timeout: Duration.seconds(number),
        serviceTimeout: Duration.seconds(number),
        pollInterval: Duration.seconds(number),
        ephemeralStorage: Size.gibibytes(number),
        startRetries: number,
        logLines: number,
        successExitCodes: [number],
        watchContainers: list,
        group: text,
        taskTags: { team: text },
        triggers: { text },
        updateCriteria: [{ containerName: text, environmentKeys: list }],
      };
    });
    const properties = propertiesOf(template());
    expect(properties.Timeout).toEqual({ Ref: expect.stringContaining('Number') });
    expect(properties.Overrides.Cpu).toEqual({ Ref: expect.stringContaining('Number') });
    expect(properties.Overrides.ContainerOverrides[0].Command).toEqual({ Ref: expect.stringContaining('List') });
    expect(JSON.stringify(properties)).not.toContain('Token[');
  });

  test('a container that is added after the task is the one that command is for', () => {
    const stack = newStack();
    const { cluster } = new Surroundings(stack);
    const taskDefinition = new ecs.FargateTaskDefinition(stack, 'Late');
    new EcsTask(stack, 'Migrate', { cluster, taskDefinition, command: ['migrate'] });
    taskDefinition.addContainer('late', { image: ecs.ContainerImage.fromRegistry('app') });
    expect(propertiesOf(Template.fromStack(stack)).Overrides.ContainerOverrides).toEqual([{ Name: 'late', Command: ['migrate'] }]);
  });

  test('in public subnets the task gets a public address', () => {
    const properties = propertiesOf(withTask({ vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC } }).template());
    expect(properties.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp).toBe('ENABLED');
  });

  test('a task on EC2 in the mode bridge has no network, and uses the default strategy of its cluster', () => {
    const stack = newStack();
    const { cluster } = new Surroundings(stack);
    const taskDefinition = new ecs.Ec2TaskDefinition(stack, 'OnEc2');
    taskDefinition.addContainer('app', { image: ecs.ContainerImage.fromRegistry('app'), memoryLimitMiB: 128 });
    new EcsTask(stack, 'Migrate', { cluster, taskDefinition });
    cluster.enableFargateCapacityProviders();
    const before = propertiesOf(Template.fromStack(stack));
    expect([before.LaunchType, before.NetworkConfiguration]).toEqual(['EC2', undefined]);
  });

  test('with a service, network and launch type are the service’s', () => {
    const { template } = withTask(({ cluster }) => ({
      service: ecs.FargateService.fromFargateServiceAttributes(cluster, 'Web', { cluster, serviceName: 'web' }),
    }));
    const properties = propertiesOf(template());
    expect([properties.Service, properties.NetworkConfiguration, properties.LaunchType]).toEqual(['web', undefined, undefined]);
  });
});

describe('order', () => {
  test('the task waits for policies, routes, rules and capacity providers that nothing refers to', () => {
    const { stack, base, task, template } = withTask();
    base.cluster.enableFargateCapacityProviders();
    base.taskDefinition.taskRole.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['s3:Get*'], resources: ['*'] }));
    new iam.ManagedPolicy(stack, 'Managed', {
      roles: [iam.Role.fromRoleName(stack, 'Again', base.taskDefinition.taskRole.roleName)],
      statements: [new iam.PolicyStatement({ actions: ['s3:Put*'], resources: ['*'] })],
    });
    base.vpc.addInterfaceEndpoint('Ecr', { service: ec2.InterfaceVpcEndpointAwsService.ECR });
    const other = new ec2.SecurityGroup(stack, 'Other', { vpc: base.vpc });
    other.connections.allowFrom(task, ec2.Port.tcp(5432));
    new ec2.CfnRoute(stack, 'Peering', {
      routeTableId: base.vpc.privateSubnets[0].routeTable.routeTableId,
      destinationCidrBlock: '10.1.0.0/16',
      vpcPeeringConnectionId: 'pcx-1',
    });
    expect(waitsFor(template())).toEqual(
      expect.arrayContaining([
        'AWS::IAM::Policy',
        'AWS::IAM::ManagedPolicy',
        'AWS::EC2::Route',
        'AWS::EC2::SubnetRouteTableAssociation',
        'AWS::EC2::VPCEndpoint',
        'AWS::EC2::SecurityGroupIngress',
        'AWS::ECS::ClusterCapacityProviderAssociations',
      ]),
    );
    expect(template().toJSON().Resources).toHaveProperty('Peering');
    expect(JSON.stringify(template().findResources(TYPE))).toContain('"Peering"');
  });

  test('a grant that comes after the task is waited for', () => {
    const { stack, base, template } = withTask();
    new secretsmanager.Secret(stack, 'Secret').grantRead(base.taskDefinition.obtainExecutionRole());
    expect(waitsFor(template())).toContain('AWS::IAM::Policy');
  });

  test('a policy that refers to the task does not close a circle', () => {
    const { base, task, template } = withTask();
    base.taskDefinition.taskRole.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['ecs:StopTask'], resources: [task.taskArn] }));
    expect(() => template()).not.toThrow();
  });

  test('a database may let in a task and the service after it, and is there before both', () => {
    const { stack, base, task, template } = withTask();
    const database = new rds.DatabaseInstance(stack, 'Database', { vpc: base.vpc, engine: rds.DatabaseInstanceEngine.POSTGRES, storageEncrypted: true });
    const service = new ecs.FargateService(stack, 'Service', { cluster: base.cluster, taskDefinition: definition(stack, 'Web') });
    database.connections.allowDefaultPortFrom(task);
    database.connections.allowDefaultPortFrom(service);
    task.executeAfter(database);
    task.executeBefore(service);
    expect(waitsFor(template())).toEqual(expect.arrayContaining(['AWS::RDS::DBInstance', 'AWS::EC2::SecurityGroupIngress']));
    expect(waitsFor(template(), 'AWS::ECS::Service')).toContain(TYPE);
  });

  test('a pattern with a load balancer may follow a task of its own definition', () => {
    const { stack, base } = withTask();
    const web = new patterns.ApplicationLoadBalancedFargateService(stack, 'Web', {
      cluster: base.cluster,
      taskImageOptions: { image: ecs.ContainerImage.fromRegistry('web') },
    });
    const { cluster } = base;
    new EcsTask(stack, 'Before', { cluster, taskDefinition: web.taskDefinition, command: ['migrate'], executeBefore: [web] });
    expect(waitsFor(Template.fromStack(stack), 'AWS::ECS::Service')).toContain(TYPE);
  });

  test('with a database of another stack there is no circle', () => {
    const app = new App();
    const other = new Stack(app, 'Data');
    const base = new Surroundings(other);
    const database = new rds.DatabaseInstance(other, 'Database', { vpc: base.vpc, engine: rds.DatabaseInstanceEngine.POSTGRES, storageEncrypted: true });
    const stack = new Stack(app, 'Shop');
    const task = new EcsTask(stack, 'Migrate', { cluster: base.cluster, taskDefinition: definition(stack, 'Migration') });
    task.connections.allowToDefaultPort(database);
    task.executeAfter(database);
    expect(waitsFor(Template.fromStack(stack))).toContain('AWS::EC2::SecurityGroupIngress');
  });

  test('tasks follow each other', () => {
    const { stack, base, task, template } = withTask();
    const seed = new EcsTask(stack, 'Seed', { cluster: base.cluster, taskDefinition: base.taskDefinition, executeAfter: [task] });
    task.executeBefore(seed);
    const [[, resource]] = Object.entries<any>(template().findResources(TYPE)).filter(([id]) => id.startsWith('Seed'));
    expect(resource.DependsOn.some((id: string) => id.startsWith('Migrate'))).toBe(true);
  });

  test('composite constructs with a task each may follow each other', () => {
    const stack = newStack();
    const { cluster } = new Surroundings(stack);
    const [one, two] = ['One', 'Two'].map((id) => {
      const scope = new Construct(stack, id);
      new EcsTask(scope, 'Migrate', { cluster, taskDefinition: definition(scope, 'Definition') });
      return scope;
    });
    two.node.addDependency(one);
    expect(() => Template.fromStack(stack)).not.toThrow();
  });

  test('a task in a nested stack waits for the routes of the outer one', () => {
    const stack = newStack();
    const base = new Surroundings(stack);
    const nested = new NestedStack(stack, 'Nested');
    new EcsTask(nested, 'Migrate', { cluster: base.cluster, taskDefinition: base.taskDefinition });
    expect(waitsFor(Template.fromStack(stack), 'AWS::CloudFormation::Stack')).toContain('AWS::EC2::Route');
  });

  test('in a stage, with the network in another stack', () => {
    const stage = new Stage(new App(), 'Prod');
    const base = new Surroundings(new Stack(stage, 'Network'));
    const stack = new Stack(stage, 'Shop');
    const task = new EcsTask(stack, 'Migrate', { cluster: base.cluster, taskDefinition: base.taskDefinition });
    new CfnOutput(stack, 'Task', { value: task.taskArn });
    expect(() => stage.synth()).not.toThrow();
  });
});

describe('permissions', () => {
  test('the function may start this family in this cluster, with the roles of the definition', () => {
    const { template } = withTask();
    const [{ Properties }] = Object.values<any>(template().findResources('AWS::IAM::RolePolicy'));
    expect(Properties.PolicyDocument).toMatchSnapshot();
  });

  test('of an imported definition the roles are asked for, and can be given', () => {
    const { stack } = withTask(({ cluster }) => ({
      taskDefinition: ecs.TaskDefinition.fromTaskDefinitionArn(cluster, 'Imported', DEFINITION),
    }));
    Annotations.fromStack(stack).hasWarning('/Shop/Migrate', Match.stringLikeRegexp('call grantPassRole with its task role'));
    const other = withTask(({ cluster }) => ({
      taskDefinition: ecs.TaskDefinition.fromTaskDefinitionArn(cluster, 'Imported', DEFINITION),
    }));
    other.task.grantPassRole(iam.Role.fromRoleArn(other.stack, 'Role', 'arn:aws:iam::123456789012:role/task'));
    Annotations.fromStack(other.stack).hasNoWarning('/Shop/Migrate', Match.anyValue());
    expect(JSON.stringify(other.template().findResources('AWS::IAM::RolePolicy'))).toContain('role/task');
    expect(JSON.stringify(other.template().findResources('AWS::IAM::RolePolicy'))).toContain('task-definition/migrate:*');
  });

  test('an ARN that is a token has its family, too', () => {
    const { template } = withTask(({ cluster }) => ({
      taskDefinition: ecs.TaskDefinition.fromTaskDefinitionArn(cluster, 'Imported', new CfnParameter(cluster, 'Arn').valueAsString),
    }));
    expect(JSON.stringify(template().findResources('AWS::IAM::RolePolicy'))).toContain('Fn::Split');
  });
});

describe('attributes', () => {
  test('each is one of the resource', () => {
    const { stack, task, template } = withTask({ returnOutput: true });
    const values = {
      taskArn: task.taskArn,
      taskDefinitionArn: task.taskDefinitionArn,
      exitCode: task.exitCode,
      startedAt: task.startedAt,
      stoppedAt: task.stoppedAt,
      seconds: task.seconds,
      logGroupName: task.logGroupName,
      logStreamName: task.logStreamName,
      output: task.output,
      ran: task.ran,
      first: Fn.select(0, task.taskArns),
    };
    Object.entries(values).forEach(([id, value]) => new CfnOutput(stack, id, { value }));
    expect(template().toJSON().Outputs).toMatchSnapshot();
  });

  test.each<[string, Partial<EcsTaskProps>]>([
    ['returnOutput', {}],
    ['raise it', { returnOutput: true, timeout: Duration.seconds(0) }],
  ])('an output that is always empty is a mistake: %s', (text, props) => {
    expect(() => withTask(props).task.output).toThrow(text);
  });
});

describe('a task of hours', () => {
  test('has a condition that waits longer than the task, and after which the rest comes', () => {
    const { stack, task, template } = withTask(({ cluster }) => ({
      timeout: Duration.hours(6),
      waitHandle: new CfnWaitConditionHandle(cluster, 'Handle'),
    }));
    task.addWaitCondition('Condition');
    const queue = new s3.Bucket(stack, 'After');
    task.executeBefore(queue);
    template().hasResourceProperties('AWS::CloudFormation::WaitCondition', { Timeout: '21900', Count: 1 });
    expect(waitsFor(template(), 'AWS::CloudFormation::WaitCondition')).toEqual([TYPE]);
    expect(waitsFor(template(), 'AWS::S3::Bucket')).toContain('AWS::CloudFormation::WaitCondition');
  });
});

describe('mistakes at synthesis', () => {
  const cases: [string, Partial<EcsTaskProps> | ((base: Surroundings) => Partial<EcsTaskProps>)][] = [
    ['a timeout above an hour', { timeout: Duration.hours(2) }],
    ['a timeout above serviceTimeout', { timeout: Duration.minutes(20), serviceTimeout: Duration.minutes(10) }],
    ['a serviceTimeout above an hour', { serviceTimeout: Duration.hours(2) }],
    ['too many tasks', { count: 11 }],
    ['no exit code', { successExitCodes: [] }],
    ['an exit code that is none', { successExitCodes: [256] }],
    ['retries, log lines and an interval out of range', { startRetries: 6, logLines: 51, pollInterval: Duration.minutes(2) }],
    ['two ways to launch', { launchType: ecs.LaunchType.FARGATE, capacityProviderStrategies: [{ capacityProvider: 'FARGATE', weight: 1001 }] }],
    ['a launch type with instances', { containerInstanceArns: ['arn:x'], launchType: ecs.LaunchType.EC2, placementConstraints: [] }],
    ['a Fargate definition on EC2', { launchType: ecs.LaunchType.EC2 }],
    ['a platform version on EC2', { launchType: ecs.LaunchType.EC2, platformVersion: ecs.FargatePlatformVersion.LATEST, assignPublicIp: true }],
    ['containers that are not there', { watchContainers: ['ap'], containerOverrides: [{ containerName: 'web' }], updateCriteria: [{ containerName: 'x', image: true }] }],
    ['a container twice', { command: ['a'], containerOverrides: [{ containerName: 'app', command: ['b'] }] }],
    ['a container without command', { containerName: 'app' }],
    ['criteria that compare nothing', { updateCriteria: [{ containerName: 'app' }] }],
    ['criteria without names', { updateCriteria: [{ containerName: 'app', environmentKeys: [] }] }],
    ['a tag of the function', { taskTags: { 'ecs-tasks:mine': 'x' } }],
    ['tags of a service', { propagateTags: ecs.PropagatedTagSource.SERVICE }],
    ['a volume without size', { volumes: [{ name: 'data' }] }],
    ['storage that is too small', { ephemeralStorage: Size.gibibytes(10) }],
    ['overrides that are too long', { environment: { TEXT: 'x'.repeat(9000) } }],
    ['a secret in an override', { environment: { PASSWORD: SecretValue.secretsManager('db').unsafeUnwrap() } }],
    ['a handle without condition', (base) => ({ timeout: Duration.hours(2), waitHandle: new CfnWaitConditionHandle(base, 'Handle') })],
    ['a command for an imported definition', (base) => ({ command: ['x'], taskDefinition: ecs.TaskDefinition.fromTaskDefinitionArn(base, 'Imported', DEFINITION) })],
    ['a cluster without VPC', (base) => ({ cluster: ecs.Cluster.fromClusterArn(base, 'Imported', 'arn:aws:ecs:us-west-2:123456789012:cluster/prod') })],
    ['a definition without containers', (base) => ({ taskDefinition: new ecs.FargateTaskDefinition(base, 'Empty') })],
    ['a service of the same definition', (base) => ({ service: new ecs.FargateService(base, 'Web', { cluster: base.cluster, taskDefinition: base.taskDefinition }) })],
    ['a reservation above the limit', { containerOverrides: [{ containerName: 'app', memoryLimitMiB: 1, memoryReservationMiB: 2 }] }],
  ];
  test.each(cases)('%s', (_, props) => {
    let text = 'nothing';
    try {
      withTask(props).template();
    } catch (error) {
      text = (error as Error).message;
    }
    expect(text).not.toBe('nothing');
    expect(text).toMatchSnapshot();
  });

  test('a network in the mode bridge', () => {
    const stack = newStack();
    const { cluster } = new Surroundings(stack);
    const taskDefinition = new ecs.Ec2TaskDefinition(stack, 'OnEc2');
    taskDefinition.addContainer('app', { image: ecs.ContainerImage.fromRegistry('app'), memoryLimitMiB: 128 });
    new EcsTask(stack, 'Migrate', { cluster, taskDefinition, launchType: ecs.LaunchType.FARGATE, assignPublicIp: true });
    expect(() => Template.fromStack(stack)).toThrow(/not made for Fargate[\s\S]*only the network mode awsvpc takes assignPublicIp/);
  });

  test('a provider of another Region', () => {
    const app = new App();
    const account = '123456789012';
    const provider = new EcsTaskProvider(new Stack(app, 'Shared', { env: { account, region: 'eu-west-1' } }), 'Provider');
    const stack = new Stack(app, 'Shop', { env: { account, region: 'us-west-2' } });
    const base = new Surroundings(stack);
    expect(() => {
      new EcsTask(stack, 'Migrate', { provider, cluster: base.cluster, taskDefinition: base.taskDefinition });
      app.synth();
    }).toThrow(/same account and Region/);
  });

  test('an order before its own stack', () => {
    const { stack, task } = withTask();
    expect(() => task.executeBefore(stack)).toThrow(/is part of Shop/);
  });
});
