"""What the operator asked for: read once, checked, with origins. The only room that reads the environment."""

from pfserve.config.load import load_config
from pfserve.config.model import ServeConfig
from pfserve.config.setting import Setting
from pfserve.config.settings import SETTINGS
from pfserve.config.show import setting_rows, show_config
from pfserve.config.snapshot import snapshot

__all__ = ["SETTINGS", "ServeConfig", "Setting", "load_config", "setting_rows", "show_config", "snapshot"]
