"""Handlers of Slack's commands."""
