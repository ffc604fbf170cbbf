"""The fault campaign: a real server under load while its processes are killed and stopped and its flow is reloaded."""
