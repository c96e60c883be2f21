"""Replicated state between cores: the protocols that keep replicas in agreement, and the services that use them."""
