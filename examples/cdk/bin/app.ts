import { App, CfnOutput, CfnParameter, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as rds from 'aws-cdk-lib/aws-rds';
import { EcsTask } from 'cdk-ecs-tasks';

const app = new App();
const stack = new Stack(app, 'Shop', { description: 'A service that is updated after its database' });

// In your own stack this is the image's tag.
const release = new CfnParameter(stack, 'Release', { default: '1', description: 'The release to deploy' });
const failure = new CfnParameter(stack, 'MigrationFails', {
  default: 'no',
  allowedValues: ['no', 'yes'],
  description: 'Set to yes to see a failed deploy',
});

const vpc = new ec2.Vpc(stack, 'Vpc', { maxAzs: 2, natGateways: 1 });
const cluster = new ecs.Cluster(stack, 'Cluster', { vpc });
const database = new rds.DatabaseInstance(stack, 'Database', {
  vpc,
  engine: rds.DatabaseInstanceEngine.postgres({ version: rds.PostgresEngineVersion.VER_17_6 }),
  instanceType: ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.MICRO),
  credentials: rds.Credentials.fromGeneratedSecret('shop'),
  storageEncrypted: true,
  backupRetention: Duration.days(7),
});
const password = ecs.Secret.fromSecretsManager(database.secret!, 'password');
const logGroup = new logs.LogGroup(stack, 'Logs', {
  retention: logs.RetentionDays.TWO_WEEKS,
  removalPolicy: RemovalPolicy.DESTROY,
});
const image = ecs.ContainerImage.fromRegistry('public.ecr.aws/docker/library/busybox:1.37');

const migration = new ecs.FargateTaskDefinition(stack, 'Migration', { cpu: 256, memoryLimitMiB: 512 });
const migrator = migration.addContainer('migrate', {
  image,
  entryPoint: ['sh', '-c'],
  command: [
    'test -n "$DATABASE_PASSWORD" || { echo "DATABASE_PASSWORD is not set" >&2; exit 2; }\n' +
      'echo "migrating to release $RELEASE"\n' +
      'test "$FAILS" = no || { echo "ERROR: column \\"email\\" already exists" >&2; exit 3; }\n' +
      'echo "the schema is that of release $RELEASE"',
  ],
  environment: { RELEASE: release.valueAsString, FAILS: failure.valueAsString },
  secrets: { DATABASE_PASSWORD: password },
  logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: 'migrate' }),
});

const migrate = new EcsTask(stack, 'Migrate', {
  cluster,
  taskDefinition: migration,
  timeout: Duration.minutes(10),
  // An update that changes none of these runs no migration.
  updateCriteria: [{ containerName: migrator.containerName, environmentKeys: ['RELEASE', 'FAILS'], image: true }],
});
database.connections.allowDefaultPortFrom(migrate);
migrate.executeAfter(database);

const web = new ecs.FargateTaskDefinition(stack, 'Web', { cpu: 256, memoryLimitMiB: 512 });
web.addContainer('web', {
  image,
  command: ['httpd', '-f', '-p', '8080'],
  environment: { RELEASE: release.valueAsString },
  secrets: { DATABASE_PASSWORD: password },
  logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: 'web' }),
});
const service = new ecs.FargateService(stack, 'Service', {
  cluster,
  taskDefinition: web,
  desiredCount: 1,
  minHealthyPercent: 100,
  circuitBreaker: { rollback: true },
});
database.connections.allowDefaultPortFrom(service);
// The new release starts after its migration.
migrate.executeBefore(service);

new CfnOutput(stack, 'MigrationTask', { value: migrate.taskArn });
new CfnOutput(stack, 'MigrationLog', { value: `${migrate.logGroupName} ${migrate.logStreamName}` });
