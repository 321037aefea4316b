"""Builders of what people see in Slack: pure functions from records to blocks."""
