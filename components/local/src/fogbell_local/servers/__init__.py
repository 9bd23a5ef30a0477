"""Real servers for one machine: found by address, in Docker, on the PATH, or from packages.

`install` makes sure that both can be started; `MongoServer` and `RabbitServer` start private
ones, and `ReplicaSet` several MongoDBs that elect a primary. `apt_install` and `laid_out`
provide other programs of Debian's. Nothing here touches a server that the system runs.
"""

from fogbell_local.servers.install import install, install_browser
from fogbell_local.servers.mongo import MongoServer
from fogbell_local.servers.packages import apt_install, laid_out
from fogbell_local.servers.process import ServerError
from fogbell_local.servers.rabbit import RabbitServer
from fogbell_local.servers.replica_set import ReplicaSet

__all__ = [
    "MongoServer",
    "RabbitServer",
    "ReplicaSet",
    "ServerError",
    "apt_install",
    "install",
    "install_browser",
    "laid_out",
]
