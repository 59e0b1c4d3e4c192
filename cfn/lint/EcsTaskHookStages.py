"""A rule for cfn-lint: lifecycle hooks that hardly ever run."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
from _ecs_hook import hooks  # noqa: E402


class EcsTaskHookStages(CloudFormationLintRule):
    """ECS invokes RECONCILE_SERVICE only where a deployment begins with several active revisions."""

    id = "W9106"
    shortdesc = "Check that lifecycle hooks run"
    description = "A hook at RECONCILE_SERVICE alone runs in hardly any deployment"
    tags = ["resources", "ecs", "hook"]

    def match(self, cfn):
        found = {}
        for hook in hooks(cfn):
            if hook.hook.get("LifecycleStages") == ["RECONCILE_SERVICE"]:
                message = (
                    "ECS invokes RECONCILE_SERVICE only if a deployment begins while several revisions are active, so "
                    "this hook hardly ever runs: add PRE_SCALE_UP"
                )
                found[hook.service, hook.index] = RuleMatch(hook.path("LifecycleStages"), message)
        return list(found.values())
