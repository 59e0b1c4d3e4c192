"""ministack, and in one place what it lacks of AWS for our flows. Run by the Python that has ministack.

Its variables: GATEWAY_PORT, BIND_HOST and so on are ministack's own; ANSWERS_PORT is where CloudFormation's answers are
sent to, EVENTS_PORT takes ECS's events.
"""

import http.server
import json
import os
import re
import sys
import threading

from ministack import app
from ministack.core.responses import request_scope
from ministack.services import ec2, eventbridge
from ministack.services.cloudformation import custom_resource, engine, provisioners

REGION = os.environ["MINISTACK_REGION"]
ACCOUNT = os.environ["MINISTACK_ACCOUNT_ID"]


def take_event(event: dict):
    """Puts an event of ECS on the default bus. Only AWS's services may: PutEvents refuses the source aws.ecs.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
    """
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event["resources"],
    }
    with request_scope(ACCOUNT, REGION):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


class Events(http.server.BaseHTTPRequestHandler):
    """The way of ECS's events in: ministack's own ECS is not the one that runs the tasks."""

    def do_POST(self):
        take_event(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def serve_events():
    """Takes events for as long as ministack runs."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["EVENTS_PORT"])), Events)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def record_answers():
    """Lets ResponseURLs lead to the recorder, which passes the answers on: they have no setting of their own."""
    custom_resource._PORT = os.environ["ANSWERS_PORT"]


def delete_after_a_failed_create():
    """Sends the Delete that CloudFormation sends for a resource whose Create failed, with the id of the answer.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
    ministack's _deploy_stack_async (services/cloudformation/stacks.py) rolls back only what was created.
    """
    invoke, deliver = custom_resource.invoke_custom_resource, custom_resource.deliver_response
    physical_ids = {}

    def note(token, answer):
        physical_ids[answer["StackId"], answer["LogicalResourceId"]] = answer["PhysicalResourceId"]
        return deliver(token, answer)

    def with_delete(request_type, logical_id, props, stack_name, stack_id, resource_type, **more):
        try:
            return invoke(request_type, logical_id, props, stack_name, stack_id, resource_type, **more)
        except RuntimeError:
            if request_type == "Create":
                physical_id = physical_ids[stack_id, logical_id]
                invoke("Delete", logical_id, props, stack_name, stack_id, resource_type, physical_id=physical_id)
            raise

    custom_resource.invoke_custom_resource, custom_resource.deliver_response = with_delete, note


def conditions_with_split():
    """Resolves Fn::Split in a condition, as in the monitor's IsTableArn.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html
    ministack's _evaluate_conditions (services/cloudformation/engine.py) knows Ref, Equals and Select alone.
    """
    evaluate = engine._evaluate_conditions

    def split(node, parameters):
        if isinstance(node, list):
            return [split(one, parameters) for one in node]
        if not isinstance(node, dict):
            return node
        if "Fn::Split" in node:
            separator, text = node["Fn::Split"]
            return parameters[text["Ref"]]["Value"].split(separator)
        return {name: split(one, parameters) for name, one in node.items()}

    def with_split(template, parameters):
        conditions = split(template.get("Conditions", {}), parameters)
        return evaluate({**template, "Conditions": conditions}, parameters)

    for module in list(sys.modules.values()):
        if getattr(module, "_evaluate_conditions", None) is evaluate:
            module._evaluate_conditions = with_split


def alarms_with_metric_math():
    """Makes an alarm over several metrics as one over the first of them; tests/outside/alarms.py knows the arithmetic.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
    ministack's _cw_metric_alarm_record (services/cloudformation/provisioners.py) refuses the property Metrics.
    """
    record = provisioners._cw_metric_alarm_record

    def with_first(name, props):
        stats = [one["MetricStat"] for one in props.get("Metrics", []) if "MetricStat" in one]
        if not stats:
            return record(name, props)
        rest = {key: value for key, value in props.items() if key != "Metrics"}
        of = {"Period": stats[0]["Period"], "Statistic": stats[0]["Stat"]}
        return record(name, {**rest, **stats[0]["Metric"], **of})

    provisioners._cw_metric_alarm_record = with_first


def addresses_and_gateways():
    """Makes an AWS::EC2::EIP and an AWS::EC2::NatGateway, which an AWS CDK app with private subnets has, in ministack's EC2.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-eip.html
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-natgateway.html
    ministack's EC2 has both, and its _RESOURCE_HANDLERS (services/cloudformation/provisioners.py) do not.
    """

    def told(answer, member):
        return re.search(f"<{member}>([^<]+)<", answer[2].decode())[1]

    def allocate(_logical_id, _props, _stack_name):
        made = ec2._allocate_address({})
        public_ip, allocation_id = told(made, "publicIp"), told(made, "allocationId")
        return public_ip, {"PublicIp": public_ip, "AllocationId": allocation_id}

    def release(physical_id, _props):
        [allocation_id] = [key for key, one in ec2._addresses.items() if one["PublicIp"] == physical_id]
        ec2._release_address({"AllocationId": allocation_id})

    def create(_logical_id, props, _stack_name):
        given = {name: props[name] for name in ("SubnetId", "AllocationId") if name in props}
        gateway_id = told(ec2._create_nat_gateway(given), "natGatewayId")
        return gateway_id, {"NatGatewayId": gateway_id}

    def delete(physical_id, _props):
        ec2._delete_nat_gateway({"NatGatewayId": physical_id})

    provisioners._RESOURCE_HANDLERS["AWS::EC2::EIP"] = {"create": allocate, "delete": release}
    provisioners._RESOURCE_HANDLERS["AWS::EC2::NatGateway"] = {"create": create, "delete": delete}


def rules_of_security_groups():
    """Adds an AWS::EC2::SecurityGroupIngress to its group.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroupingress.html
    ministack's _RESOURCE_HANDLERS (services/cloudformation/provisioners.py) know only the rules inside a group.
    """

    def create(logical_id, props, _stack_name):
        ec2._security_groups[props["GroupId"]]["IpPermissions"] += provisioners._ec2_sg_permissions([props])
        return f"{props['GroupId']}-{logical_id}", {}

    def delete(_physical_id, props):
        group = ec2._security_groups[props["GroupId"]]
        for rule in provisioners._ec2_sg_permissions([props]):
            group["IpPermissions"].remove(rule)

    provisioners._RESOURCE_HANDLERS["AWS::EC2::SecurityGroupIngress"] = {"create": create, "delete": delete}


def policies_of_roles():
    """Makes an AWS::IAM::RolePolicy as the AWS::IAM::Policy of one role. EcsTask grants its start by one.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-rolepolicy.html
    ministack's _RESOURCE_HANDLERS (services/cloudformation/provisioners.py) do not know the type.
    """

    def of_role(props):
        return {**props, "Roles": [props["RoleName"]]}

    def create(logical_id, props, stack_name):
        return provisioners._iam_policy_create(logical_id, of_role(props), stack_name)

    def update(physical_id, old, new, stack_name, logical_id=None):
        return provisioners._iam_policy_update(physical_id, of_role(old), of_role(new), stack_name, logical_id)

    def delete(physical_id, props):
        provisioners._iam_policy_delete(physical_id, of_role(props))

    provisioners._RESOURCE_HANDLERS["AWS::IAM::RolePolicy"] = {
        "create": create,
        "update": update,
        "update_with_logical_id": True,
        "delete": delete,
    }


def services_of_another_cluster():
    """Replaces an AWS::ECS::Service whose Cluster is another one.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-service.html
    ministack's _ecs_service_update (services/cloudformation/provisioners.py) looks for the old service in the new cluster.
    """
    provisioners._REPLACING_PROPERTIES["AWS::ECS::Service"] = ("Cluster",)


def main():
    """Serves until it is ended."""
    serve_events()
    record_answers()
    delete_after_a_failed_create()
    conditions_with_split()
    alarms_with_metric_math()
    addresses_and_gateways()
    rules_of_security_groups()
    policies_of_roles()
    services_of_another_cluster()
    sys.argv = ["ministack"]
    app.main()


if __name__ == "__main__":
    main()
