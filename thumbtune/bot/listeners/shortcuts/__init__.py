"""Handlers of Slack's shortcuts."""
