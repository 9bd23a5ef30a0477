"""Rate limits that hold over all processes of an installation (docs/decisions/0009)."""

from fogbell.limiting.limiter import Limiter

__all__ = ["Limiter"]
