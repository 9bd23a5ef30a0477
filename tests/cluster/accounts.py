"""ServiceAccounts of tests: somebody who may do a little and nothing else."""

from pathlib import Path

import yaml
from tests.cluster.kube import Kube, Object

RBAC = "rbac.authorization.k8s.io"


def granted(kube: Kube, name: str, rules: list[Object], directory: Path) -> Path:
    """A kubeconfig, for an hour, of one called ``name`` who may do what a Role's ``rules`` say in
    the namespace of ``kube``.
    """
    kube.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": {"name": name},
            "rules": rules,
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": kube.namespace}],
        },
    )
    config = yaml.safe_load(kube.kubeconfig.read_text())
    token = kube.run("create", "token", name).strip()
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = directory / f"{name}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
