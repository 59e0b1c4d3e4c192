import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Token } from 'aws-cdk-lib';

/** A CloudFormation template, as far as this package reads it. */
export interface Template {
  readonly Parameters: Record<string, { readonly Type: string; readonly Default?: any }>;
  readonly Conditions: Record<string, any>;
  readonly Resources: Record<string, any>;
}

/** `cfn/provider.yml`, which the package is built from. */
export function providerTemplate(): Template {
  return JSON.parse(readFileSync(join(__dirname, '..', 'assets', 'provider.json'), 'utf8'));
}

/** Takes the place of `Ref: AWS::NoValue`. */
const NO_VALUE = Symbol('AWS::NoValue');

/**
 * The resources of a template with its parameters and conditions decided.
 *
 * CloudFormation would decide them at deploy time. Here their values are known at synthesis, and the user's template stays free of
 * parameters and conditions that are not its own. `AWS::StackName` becomes `name`, since a stack may have several providers.
 */
export function specialize(template: Template, values: Record<string, any>, name: string): Template {
  return new Specializer(template, values, name).template();
}

class Specializer {
  constructor(
    private readonly source: Template,
    private readonly values: Record<string, any>,
    private readonly name: string,
  ) {}

  public template(): Template {
    const isThere = ([, resource]: [string, any]) => !resource.Condition || this.condition(resource.Condition);
    const there = Object.entries(this.source.Resources).filter(isThere);
    const names = there.map(([name]) => name);
    const resources = there.map(([name, { Condition: _, ...resource }]) => {
      if (resource.DependsOn) {
        resource.DependsOn = [resource.DependsOn].flat().filter((other) => names.includes(other));
      }
      return [name, this.value(resource)];
    });
    return { Parameters: {}, Conditions: {}, Resources: Object.fromEntries(resources) };
  }

  /** A value with references to parameters, conditions and the stack's name resolved. */
  private value(value: any): any {
    if (Array.isArray(value)) {
      return value.map((item) => this.value(item)).filter((item) => item !== NO_VALUE);
    }
    if (value === null || typeof value !== 'object') {
      return value;
    }
    if (typeof value.Ref === 'string') {
      return this.ref(value);
    }
    if (value['Fn::If']) {
      const [condition, whenTrue, whenFalse] = value['Fn::If'];
      return this.value(this.condition(condition) ? whenTrue : whenFalse);
    }
    if (value['Fn::Sub']) {
      const [text, variables] = [value['Fn::Sub']].flat();
      return this.sub(text, this.value(variables ?? {}));
    }
    if (value['Fn::Split']) {
      const [separator, text] = value['Fn::Split'];
      const parts = this.value(text);
      // The construct gives lists for the parameters that are texts in the template.
      return Array.isArray(parts) ? parts : { 'Fn::Split': [separator, parts] };
    }
    const members = Object.entries(value).map(([key, item]) => [key, this.value(item)]);
    return Object.fromEntries(members.filter(([, item]) => item !== NO_VALUE));
  }

  private ref(value: { Ref: string }): any {
    switch (value.Ref) {
      case 'AWS::NoValue':
        return NO_VALUE;
      case 'AWS::StackName':
        return this.name;
      default:
        return value.Ref in this.source.Parameters ? this.parameter(value.Ref) : value;
    }
  }

  private parameter(name: string): any {
    const { Type, Default } = this.source.Parameters[name];
    const value = name in this.values ? this.values[name] : Default;
    if (Type === 'CommaDelimitedList' && !Array.isArray(value)) {
      return String(value ?? '').split(',').filter((item) => item);
    }
    return value ?? NO_VALUE;
  }

  /** A text of Fn::Sub. CDK's tokens contain `${`, too, so they become variables of the function. */
  private sub(text: string, variables: Record<string, any>): any {
    const kept = { ...variables };
    const replaced = text.replace(/\$\{([^!}]+)\}/g, (whole, name: string) => {
      if (name in variables) {
        return whole;
      }
      const isKnown = name === 'AWS::StackName' || name in this.source.Parameters;
      const value = isKnown ? this.ref({ Ref: name }) : undefined;
      if (Token.isUnresolved(value)) {
        kept[name] = value;
        return whole;
      }
      return isKnown ? String(value) : whole;
    });
    if (Object.keys(kept).length > 0) {
      return { 'Fn::Sub': [replaced, kept] };
    }
    return replaced.includes('${') ? { 'Fn::Sub': replaced } : replaced;
  }

  private condition(condition: any): boolean {
    if (typeof condition === 'string') {
      return this.condition(this.source.Conditions[condition]);
    }
    const [[name, operands]] = Object.entries<any>(condition);
    switch (name) {
      case 'Fn::Not':
        return !this.condition(operands[0]);
      case 'Fn::And':
        return operands.every((operand: any) => this.condition(operand));
      case 'Fn::Or':
        return operands.some((operand: any) => this.condition(operand));
      case 'Fn::Equals':
        return this.operand(operands[0]) === this.operand(operands[1]);
      case 'Condition':
        return this.condition(operands);
      default:
        throw new Error(`cfn/provider.yml has a condition by ${name}, which is not evaluated here`);
    }
  }

  private operand(operand: any): string {
    const join = operand?.['Fn::Join'];
    const value = join ? this.value(join[1]).join(join[0]) : this.value(operand);
    return value === NO_VALUE ? '' : String(value);
  }
}
