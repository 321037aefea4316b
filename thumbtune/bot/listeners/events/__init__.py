"""Handlers of Slack's events."""
