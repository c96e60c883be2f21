"""The System Knowledge Base: how facts get in and answers get out (docs/architecture.md)."""
