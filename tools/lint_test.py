"""cfn/lint: the rules for cfn-lint, on pairs of templates: one with mistakes that are found, one without.

The template names each mistake above its line, `#! E9101 the message`, continued by `#!   the rest`.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from random import Random

from cfnlint.decode import decode
from cfnlint.helpers import load_plugins
from cfnlint.template import Template

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "tests/lint"
OURS = re.compile(r"[EWI]91\d\d")


def lint(*templates, options=("--append-rules", ROOT / "cfn/lint"), cwd=ROOT):
    """File name, line, rule and message of each finding of ours."""
    command = [
        Path(sys.executable).with_name("cfn-lint"),
        "--include-checks",
        "I",
        "--format",
        "json",
        *options,
        "--",
    ]
    done = subprocess.run([*command, *templates], capture_output=True, text=True, check=False, cwd=cwd)
    return sorted(
        (
            Path(finding["Filename"]).name,
            finding["Location"]["Start"]["LineNumber"],
            finding["Rule"]["Id"],
            finding["Message"],
        )
        for finding in json.loads(done.stdout)
        if OURS.fullmatch(finding["Rule"]["Id"])
    )


def expected(template):
    """What a template says of its own mistakes."""
    pending = []
    for number, line in enumerate(template.read_text(encoding="utf-8").splitlines(), start=1):
        if found := re.fullmatch(r" *#! ([EWI]\d{4}) (.*)", line):
            pending.append([found[1], found[2]])
        elif found := re.fullmatch(r" *#!   (.*)", line):
            pending[-1][1] += " " + found[1]
        else:
            yield from ((template.name, number, rule, message) for rule, message in pending)
            pending = []


def damage(random, template):
    """Puts something else in the place of one value at random; says where."""
    places = []

    def walk(value, path):
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            places.append((value, key, [*path, key]))
            walk(value[key], [*path, key])

    for name in ("Parameters", "Conditions", "Resources", "Outputs"):
        walk(template.get(name, {}), [name])
    holder, key, path = random.choice(places)
    holder[key] = random.choice(
        [None, {}, [], "", "x", 7, True, {"Ref": []}, {"Fn::If": []}, {"Fn::GetAtt": {}}, [[]]]
    )
    return f"{path} is {holder[key]!r}"


class Lint(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.templates = sorted(TEMPLATES.glob("*.yml"))
        cls.found = lint(*cls.templates)

    def test_each_mistake_is_found_at_its_line_and_nothing_else_is(self):
        for template in self.templates:
            with self.subTest(template.name):
                found = [finding for finding in self.found if finding[0] == template.name]
                self.assertEqual(found, sorted(expected(template)))

    def test_each_rule_has_a_template_that_it_finds_and_one_that_it_leaves_alone(self):
        for template in self.templates:
            name, is_right = template.name.split(".")[0], template.name.endswith(".left.yml")
            self.assertTrue(
                (TEMPLATES / f"{name}.found.yml").exists() and (TEMPLATES / f"{name}.left.yml").exists(), name
            )
            self.assertEqual(list(expected(template)) == [], is_right, name)
        text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "cfn/lint").glob("*.py"))
        rules = set(re.findall(r'id = "([EWI]\d{4})"', text))
        self.assertEqual({rule for _, _, rule, _ in self.found}, rules)

    def test_the_templates_of_the_project_have_no_findings(self):
        templates = [*(ROOT / "cfn").glob("*.yml"), *(ROOT / "examples").rglob("template.yml")]
        self.assertEqual(lint(*templates), [])

    def test_no_broken_template_breaks_a_rule(self):
        random = Random(1)
        rules = [rule for rule in load_plugins(str(ROOT / "cfn/lint")) if rule.id != "E9101"]
        self.assertGreater(len(rules), 10)
        for template in self.templates:
            for _ in range(25):
                broken, _ = decode(str(template))
                breaking = damage(random, broken)
                cfn = Template(template.name, broken)
                for rule in rules:
                    with self.subTest(rule=rule.id, template=template.name, breaking=breaking):
                        list(rule.match(cfn))

    def test_the_rule_for_hooks_knows_what_the_function_refuses(self):
        refused = (ROOT / "src/properties/hook.rs").read_text(encoding="utf-8").split("NOT_FOR_HOOKS: [")[1].split("];")[0]
        shifts = (ROOT / "src/runner/decide/texts/hook.rs").read_text(encoding="utf-8").split("match stage {")[1].split("};")[0]
        stages = (ROOT / "src/runner/decide/hook.rs").read_text(encoding="utf-8").split("STAGES: [")[1].split("];")[0]
        sys.path.append(str(ROOT / "cfn/lint"))
        import EcsTaskHook as rule

        self.assertEqual(dict(re.findall(r'\(\s*"(\w+)",\s*"([^"]+)",?\s*\)', refused)), rule.REFUSED)
        self.assertEqual(dict(re.findall(r'"(\w+)" =>[^"]*", because ([^"]+)"', shifts)), rule.REPEATED)
        self.assertEqual(re.findall(r'"(\w+)"', stages), list(rule.STAGES))

    def test_a_cfnlintrc_is_enough(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(TEMPLATES / "attribute.found.yml", folder)
            Path(folder, ".cfnlintrc").write_text(f"append_rules: [{ROOT / 'cfn/lint'}]\n", encoding="utf-8")
            found = lint("attribute.found.yml", options=(), cwd=folder)
        self.assertEqual({rule for _, _, rule, _ in found}, {"E9102"})


if __name__ == "__main__":
    unittest.main()
