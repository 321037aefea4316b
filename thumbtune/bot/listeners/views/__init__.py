"""Handlers of Slack's views."""
