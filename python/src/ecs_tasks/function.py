"""The two functions that can be deployed, each by a template of its own."""

from dataclasses import dataclass
from functools import cached_property

from ecs_tasks import package
from ecs_tasks.template import Template


@dataclass(frozen=True)
class Function:
    name: str
    template_name: str
    zip_name: str
    default_stack: str
    # The first words of its template's description. deploy and destroy touch no stack without them.
    mark: str

    @cached_property
    def template(self) -> Template:
        return Template.parse(package.template(self.template_name).read_text(encoding="utf-8"))

    def made(self, description: str) -> bool:
        """True if a stack with this description comes from the template, by deploy or by hand."""
        return description.startswith(self.mark)


PROVIDER = Function(
    name="the function behind Custom::ECSTask",
    template_name="provider.yml",
    zip_name="ecsTasks.zip",
    default_stack="ecs-tasks",
    mark="The function behind Custom::ECSTask.",
)
MONITOR = Function(
    name="the monitor",
    template_name="monitor.yml",
    zip_name="ecsEvents.zip",
    default_stack="ecs-monitor",
    mark="The monitor saves every ECS task state change",
)
