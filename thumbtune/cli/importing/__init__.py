"""Makes training pairs of files: Slack exports, help-desk tables, chat JSONL."""
