"""The rehearsal's list of ECS's properties is that of the schemas that cfn-lint has."""

import unittest
from pathlib import Path

import ecs_properties

LIST = Path(__file__).parents[1] / "rehearse/src/stack/ecs-properties.json"


class Properties(unittest.TestCase):
    def test_list_is_that_of_cfn_lints_schemas(self):
        self.assertEqual(LIST.read_text(encoding="utf-8"), ecs_properties.text(), "run `make ecs-properties`")

    def test_structures_lists_maps_and_attributes_are_told_apart(self):
        definition = ecs_properties.properties("AWS::ECS::TaskDefinition")
        container = definition["ContainerDefinitions"]
        self.assertIn("Interval", container["HealthCheck"])
        self.assertIn("ValueFrom", container["Secrets"])
        self.assertIsNone(container["DockerLabels"])
        self.assertIsNone(container["Command"])
        self.assertEqual(definition["TaskDefinitionArn"], "attribute")


if __name__ == "__main__":
    unittest.main()
