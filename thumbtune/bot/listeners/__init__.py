"""One file for each thing Slack sends, by Slack's word for it."""
