"""That the judges can object: a request, an answer and a property that AWS's newest models do not have."""

import json
import unittest

import models
from harness import ROOT, Call

# Members that the function gives by itself, and by which it tells its tasks from others'.
OURS = {
    "RunTask": {"clientToken", "referenceId", "startedBy"},
    "StartTask": {"referenceId", "startedBy"},
}
# By another name in the property.
NAMES = {"containerInstances": "Instances"}


def call(service: str, operation: str, body: dict, answer: dict | None = None, status: int = 200) -> Call:
    """A call in JSON."""
    return Call(
        service, operation, "POST", "/", {}, json.dumps(body).encode(), status, {}, json.dumps(answer or {}).encode()
    )


def members(shape, above: tuple = ()) -> set:
    """The paths of all members of a shape."""
    if shape.type_name == "list":
        return members(shape.member, above)
    if shape.type_name != "structure":
        return set()
    return {(*above, name) for name in shape.members} | {
        path for name, one in shape.members.items() for path in members(one, (*above, name))
    }


def listed(schema: dict, above: tuple = ()) -> set:
    """The paths of all properties of a schema as ECS spells them; a name inside a property has two spellings."""
    schema = schema.get("items", schema)
    lower = {name[0].lower() + name[1:]: one for name, one in schema.get("properties", {}).items()}
    return {(*above, name) for name in lower} | {
        path for name, one in lower.items() for path in listed(one, (*above, name))
    }


class ModelsTest(unittest.TestCase):
    def test_a_request_that_the_model_does_not_know_is_objected_to(self):
        good = {"cluster": "prod", "taskDefinition": "app"}
        self.assertEqual(models.request_objections(call("ecs", "RunTask", good)), [])
        for bad in (
            {**good, "colour": "red"},
            {"cluster": "prod"},
            {**good, "count": "two"},
            {**good, "launchType": "TRAIN"},
        ):
            with self.subTest(request=bad):
                self.assertTrue(models.request_objections(call("ecs", "RunTask", bad)))
        self.assertTrue(models.request_objections(call("ecs", "WalkTask", good)))

    def test_an_answer_that_the_model_does_not_know_is_objected_to(self):
        good = {"tasks": [{"taskArn": "arn", "containers": [{"exitCode": 0}]}], "failures": []}
        self.assertEqual(models.answer_objections(call("ecs", "DescribeTasks", {}, good)), [])
        for bad in (
            {"task": []},
            {"tasks": [{"taskArn": 5}]},
            {"tasks": [{"containers": [{"exitCode": "0"}]}]},
            {"tasks": {}},
        ):
            with self.subTest(answer=bad):
                self.assertTrue(models.answer_objections(call("ecs", "DescribeTasks", {}, bad)))
        error = {"__type": "InvalidParameterException", "message": "no"}
        self.assertEqual(models.answer_objections(call("ecs", "DescribeTasks", {}, error, 400)), [])
        self.assertTrue(models.answer_objections(call("ecs", "DescribeTasks", {}, {"__type": "NoSuchException"}, 400)))

    def test_each_member_of_a_start_is_a_property(self):
        properties = listed(json.loads((ROOT / "cfn" / "lint" / "ecs_task.schema.json").read_text(encoding="utf-8")))
        for operation, own in OURS.items():
            with self.subTest(operation=operation):
                there = members(models.operation_model("ecs", operation).input_shape)
                renamed = {tuple(_renamed(name) for name in path) for path in there if path[0] not in own}
                self.assertEqual(sorted(".".join(path) for path in renamed - properties), [])


def _renamed(name: str) -> str:
    name = NAMES.get(name, name)
    return name[0].lower() + name[1:]


if __name__ == "__main__":
    unittest.main()
