// Asks an evaluator of IAM that others wrote. Standard input: {policy, questions: [{action, resource, context}]}.
// Standard output: a list of {allowed, by: [Sid], errors}, one for each question.

import { runSimulation } from "@cloud-copilot/iam-simulate";
import { readFileSync } from "node:fs";

const { policy, questions, principal, account } = JSON.parse(readFileSync(0, "utf8"));

async function ask({ action, resource, context }) {
  const simulation = {
    request: { action, principal, resource: { resource, accountId: account }, contextVariables: context },
    identityPolicies: [{ name: "role", policy }],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  };
  const result = await runSimulation(simulation, {});
  if (result.resultType === "error") {
    return { allowed: false, by: [], errors: result.errors };
  }
  const results = result.resultType === "single" ? [result.result] : result.results;
  const by = results.flatMap(({ analysis }) => [
    ...(analysis.identityAnalysis?.allowStatements ?? []),
    ...(analysis.identityAnalysis?.denyStatements ?? []),
  ]);
  return {
    allowed: result.overallResult === "Allowed",
    by: by.map(({ statement }) => statement.sid()),
    ignored: results.flatMap(({ ignoredContextKeys }) => ignoredContextKeys ?? []),
  };
}

console.log(JSON.stringify(await Promise.all(questions.map(ask))));
