"""Containers that properties name, and those that a task definition has."""

import _ecs_task as ecs


def unknown(properties, definition_name, definition):
    """Path and message of each container that the properties name and the definition does not have."""
    known = names_of(definition)
    for path, name in named(properties):
        if known is not None and name not in known:
            has = ecs.hint(name, known) or ": it has " + ", ".join(known)
            yield path, f"{definition_name} has no container {name}{has}"


def names_of(definition):
    """The container names of a definition; None where one of them cannot be known."""
    containers = ecs.member(definition, "ContainerDefinitions")
    if not isinstance(containers, list):
        return None
    names = [ecs.member(container, "Name") for container in containers]
    return names if all(isinstance(name, str) for name in names) else None


def named(case):
    """Path and name of each container that the properties name."""
    overrides = ecs.member(case.get("Overrides"), "ContainerOverrides")
    lists = [
        (("Overrides", "ContainerOverrides"), overrides, "Name"),
        (("UpdateCriteria",), case.get("UpdateCriteria"), "Container"),
        (("WatchContainers",), case.get("WatchContainers"), None),
    ]
    for path, items, key in lists:
        for index, item in enumerate(items if isinstance(items, list) else []):
            name = ecs.member(item, key) if key else item
            # WatchContainers takes * for every container.
            if isinstance(name, str) and (key or name != "*"):
                yield (*path, index, *([key] if key else [])), name
