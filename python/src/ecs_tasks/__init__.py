"""The command `ecs-tasks`: deploys the functions of ecs-tasks, rehearses and lints templates that use them."""
