"""Services: domains of the system that programs find by name and ask by messages."""
