import { createHash } from 'node:crypto';
import { Names, Stack, Token } from 'aws-cdk-lib';
import { Construct } from 'constructs';

const DIGITS = 8;

/** The stack that is deployed: of a nested stack the outermost one. */
export function deployedStack(scope: Construct): Stack {
  const stack = Stack.of(scope);
  return stack.nestedStackParent ? deployedStack(stack.nestedStackParent) : stack;
}

/**
 * A name that begins with the stack's, and that no other construct of the account and Region has.
 *
 * It rests on the stack's name and on the construct's path in the stack, so other constructs and other stages do not change it, and an
 * app that is deployed twice under two stack names has two.
 */
export function physicalName(scope: Construct, maxLength: number): string {
  const stack = deployedStack(scope);
  if (Token.isUnresolved(stack.stackName)) {
    return Names.uniqueResourceName(scope, { maxLength, separator: '-', allowedSpecialCharacters: '-' });
  }
  const path = scope.node.path.slice(stack.node.path.length);
  const digest = createHash('sha256').update(stack.stackName + path).digest('hex').slice(0, DIGITS);
  const readable = `${stack.stackName}-${path.replace(/[^A-Za-z0-9-]/g, '')}`;
  return `${readable.slice(0, maxLength - DIGITS - 1).replace(/-+$/, '')}-${digest}`;
}
