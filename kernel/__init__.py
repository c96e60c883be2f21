"""The simulated multikernel that carries the knowledge base's decisions out (docs/architecture.md)."""
