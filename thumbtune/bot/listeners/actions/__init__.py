"""Handlers of Slack's actions."""
