import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as kms from 'aws-cdk-lib/aws-kms';
import { AwsSolutionsChecks } from 'cdk-nag';
import { EcsTask, EcsTaskProvider } from '../lib';
import { definition, Surroundings } from './stacks';

/** The paths and rules of what the pack AwsSolutions finds. */
function findings(fill: (stack: Stack, base: Surroundings) => void): string[] {
  const app = new App();
  const stack = new Stack(app, 'Shop');
  fill(stack, new Surroundings(stack));
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  try {
    app.synth();
  } catch {
    // The surroundings of the task break rules; the report says which.
  }
  const report = JSON.parse(readFileSync(join(app.outdir, 'validation-report.json'), 'utf8'));
  const violations: any[] = report.pluginReports.flatMap((plugin: any) => plugin.violations ?? []);
  return violations.flatMap(({ ruleName, violatingConstructs }) =>
    violatingConstructs.map((found: any) => `${found.constructPath} ${ruleName}`),
  );
}

const ofSurroundings = (finding: string) => /^Shop\/(Base|Key|Web\/(Service|SecurityGroup))\b/.test(finding);

test('cdk-nag finds nothing in what a task and its provider make', () => {
  const found = findings((stack, { cluster, taskDefinition }) => new EcsTask(stack, 'Migrate', { cluster, taskDefinition }));
  expect(found.filter(ofSurroundings)).not.toEqual([]);
  expect(found.filter((finding) => !ofSurroundings(finding))).toEqual([]);
});

test('cdk-nag finds nothing in a provider with every option, or in a hook', () => {
  const found = findings((stack, { vpc, cluster }) => {
    const provider = new EcsTaskProvider(stack, 'Provider', {
      vpc,
      encryptionKey: new kms.Key(stack, 'Key'),
      taskRoles: 'deploy/*',
      clusters: 'prod-*',
      taskLogGroups: '/ecs/*',
      metricsByLogicalResourceId: true,
    });
    const service = new ecs.FargateService(stack, 'Web', { cluster, taskDefinition: definition(stack, 'Base2') });
    EcsTask.onDeploymentOf(service, 'Migrate', { provider });
  });
  expect(found.filter((finding) => !ofSurroundings(finding) && !finding.startsWith('Shop/Base2'))).toEqual([]);
});
