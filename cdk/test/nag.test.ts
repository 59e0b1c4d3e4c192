import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { EcsTask } from '../lib';
import { Surroundings } from './stacks';

test('cdk-nag finds nothing in what the constructs make', () => {
  const app = new App();
  const stack = new Stack(app, 'Shop');
  const base = new Surroundings(stack);
  new EcsTask(stack, 'Migrate', { cluster: base.cluster, taskDefinition: base.taskDefinition });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  let folder = app.outdir;
  try {
    folder = app.synth().directory;
  } catch {
    // The surroundings of the task break rules, and the report says which resource breaks which.
  }
  const report = JSON.parse(readFileSync(join(folder, 'validation-report.json'), 'utf8'));
  const found = report.pluginReports.flatMap((plugin: any) => plugin.violations ?? []);
  expect(JSON.stringify(found)).toContain('Base/Vpc');
  expect(found.filter((violation: any) => /EcsTaskProvider|Migrate\//.test(JSON.stringify(violation)))).toEqual([]);
});
