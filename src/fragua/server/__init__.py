"""The pages and interfaces that others speak with over HTTP: no logic of its own."""
