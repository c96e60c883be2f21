"""Inter-domain communication: endpoints, and the links that bring messages to them (dissertation §2.6)."""
