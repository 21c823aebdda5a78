"""The configuration: what may be written (models), where it comes from (overlays), what it may not
say (contradictions), and its documentation (documents).
"""

from krakked.runtime.settings.fields import Environment, Mode, Tier, VenueKind
from krakked.runtime.settings.models import Settings, Strategy
from krakked.runtime.settings.overlays import Loaded, load_settings

__all__ = [
    "Environment",
    "Loaded",
    "Mode",
    "Settings",
    "Strategy",
    "Tier",
    "VenueKind",
    "load_settings",
]
