// Asks an evaluator of IAM that others wrote. Standard input: {policy, principal, account,
// questions: [{action, resource, context}]}.
// Standard output: a list of {allowed, by: [Sid], errors}, one for each question.

import { runSimulation } from "@cloud-copilot/iam-simulate";
import { readFileSync } from "node:fs";

const { policy, questions, principal, account } = JSON.parse(readFileSync(0, "utf8"));

// A key's own policy must let the account's policies decide.
// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
const keyPolicy = {
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" },
  ],
};

async function ask({ action, resource, context }) {
  const simulation = {
    request: { action, principal, resource: { resource, accountId: account }, contextVariables: context },
    identityPolicies: [{ name: "role", policy }],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    ...(action.startsWith("kms:") && { resourcePolicy: keyPolicy }),
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
