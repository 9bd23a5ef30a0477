"""What Kubernetes may answer in place of doing what it was asked."""


class ClusterError(Exception):
    """Kubernetes did not do what was asked; the text is its own sentence."""


class ForbiddenError(ClusterError):
    """The operator's Role lacks a verb."""


class RefusedError(ClusterError):
    """What was applied is invalid; ``fields`` are the paths that Kubernetes names."""

    def __init__(self, sentence: str, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(sentence)
        self.fields = fields


class GoneError(ClusterError):
    """What was to be changed is not there, or is another object of that name."""


class UnavailableError(ClusterError):
    """The API server did not answer, or not now."""
