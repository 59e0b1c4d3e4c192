// Puts what the package carries beside the code: cfn/provider.yml as JSON, the functions' zips, the licence.
//
//     node scripts/assets.mjs x86_64=PATH/ecsTasks.zip [arm64=PATH/ecsTasks.zip]
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const HERE = join(dirname(fileURLToPath(import.meta.url)), '..');
const ARCHITECTURES = ['x86_64', 'arm64'];

/** The short forms of CloudFormation's functions, as parse's tags: !Sub is { "Fn::Sub": ... }. */
const tags = ['Ref', 'Condition', 'Sub', 'GetAtt', 'If', 'Not', 'Equals', 'And', 'Or', 'Join', 'Select', 'Split'].flatMap((name) => {
  const key = ['Ref', 'Condition'].includes(name) ? name : `Fn::${name}`;
  const value = (item) => ({ [key]: name === 'GetAtt' && typeof item === 'string' ? item.split(/\.(.*)/s, 2) : item });
  return [
    { tag: `!${name}`, resolve: (text) => value(text) },
    { tag: `!${name}`, collection: 'seq', resolve: (seq) => value(seq.toJSON()) },
  ];
});

const template = parse(readFileSync(join(HERE, '../cfn/provider.yml'), 'utf8'), { customTags: tags, maxAliasCount: 0 });
mkdirSync(join(HERE, 'assets'), { recursive: true });
writeFileSync(join(HERE, 'assets/provider.json'), `${JSON.stringify(template, null, 1)}\n`);
copyFileSync(join(HERE, '../LICENSE'), join(HERE, 'LICENSE'));

if (process.argv.length > 2) {
  rmSync(join(HERE, 'lambda'), { recursive: true, force: true });
}
for (const argument of process.argv.slice(2)) {
  const [architecture, zip] = argument.split(/=(.*)/s, 2);
  if (!ARCHITECTURES.includes(architecture) || !zip) {
    throw new Error(`${argument} is not ARCHITECTURE=ZIP, with an architecture of ${ARCHITECTURES.join(' or ')}`);
  }
  mkdirSync(join(HERE, 'lambda', architecture), { recursive: true });
  copyFileSync(zip, join(HERE, 'lambda', architecture, 'ecsTasks.zip'));
}
